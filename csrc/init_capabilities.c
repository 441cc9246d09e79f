/* SPDX-License-Identifier: Apache-2.0
 *
 * Capabilities: the helper's own, which get fewer with each phase, and the program's. */
#define _GNU_SOURCE
#include "init.h"

#include <errno.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CAP(name) (1ull << CAP_##name)

/* Of the image: /dev/null, /etc/passwd, the working directory, which only some user may open; stdio's owner.  Then the
 * bounding set, groups and ids. */
#define FILES_TO_IDENTITY \
    (CAP(DAC_OVERRIDE) | CAP(DAC_READ_SEARCH) | CAP(CHOWN) | CAP(SETPCAP) | CAP(SETGID) | CAP(SETUID))
/* The terminal on /dev/console, real-time policies, a procfs for the label where the host's is closed. */
#define SETTINGS (CAP(SYS_ADMIN) | CAP(SYS_NICE))
/* Root, names, sysctls: net.* and user.* have capabilities of their own. */
#define ROOT_TO_SYSCTLS (CAP(SYS_ADMIN) | CAP(SYS_CHROOT) | CAP(NET_ADMIN) | CAP(SYS_RESOURCE))

/* What the helper's steps need from the beginning of a phase on. */
static const uint64_t NEEDED[] = {
    [PHASE_ROOT] = ROOT_TO_SYSCTLS | SETTINGS | FILES_TO_IDENTITY,
    [PHASE_SETTINGS] = SETTINGS | FILES_TO_IDENTITY,
    [PHASE_FILES] = FILES_TO_IDENTITY,
};

void keep_capabilities(uint64_t mask)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];
    if (syscall(SYS_capget, &header, data) < 0)
        fail(errno, "read the capabilities", NULL);
    uint32_t surplus = 0;
    for (int i = 0; i < 2; i++) {
        const uint32_t kept = (uint32_t)(mask >> (32 * i));
        surplus |= (data[i].effective | data[i].permitted) & ~kept;
        data[i].effective &= kept;
        data[i].permitted &= kept;
    }
    if (surplus && syscall(SYS_capset, &header, data) < 0)
        fail(errno, "drop capabilities", NULL);
}

/* Without no_new_privs the filter is loaded by this one. */
static uint64_t for_seccomp(const struct setup *setup)
{
    return setup->seccomp && !setup->no_new_privs ? CAP(SYS_ADMIN) : 0;
}

/* The program's own remain until the end: nobody can get one back, and an inheritable one that is new must be
 * permitted when it is set as an ordinary user. */
void begin_phase(const struct setup *setup, enum phase phase)
{
    const struct record_capabilities *sets = &setup->capabilities;
    keep_capabilities(NEEDED[phase] | sets->permitted | sets->inheritable | for_seccomp(setup));
}

static void set_capabilities(const struct record_capabilities *sets, uint64_t effective, uint64_t more)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];
    for (int i = 0; i < 2; i++) {
        data[i].effective = (uint32_t)(effective >> (32 * i));
        data[i].permitted = (uint32_t)((sets->permitted | more) >> (32 * i));
        data[i].inheritable = (uint32_t)(sets->inheritable >> (32 * i));
    }
    if (syscall(SYS_capset, &header, data) < 0)
        fail(errno, "apply capabilities", NULL);
}

static void raise_ambient(const struct setup *setup)
{
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
        fail(errno, "clear the ambient capabilities", NULL);
    for (unsigned long number = 0; number < 64; number++)
        if (setup->capabilities.ambient >> number & 1 &&
            prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, number, 0, 0) < 0)
            fail(errno, "raise the ambient capabilities", NULL);
}

void rest_capabilities(const struct setup *setup)
{
    set_capabilities(&setup->capabilities, 0, for_seccomp(setup));
}

void wake_capabilities(const struct setup *setup)
{
    uint64_t more = for_seccomp(setup);
    set_capabilities(&setup->capabilities, setup->capabilities.effective | more, more);
}

void take_capabilities(const struct setup *setup)
{
    wake_capabilities(setup);
    raise_ambient(setup);
}

void set_final_capabilities(const struct setup *setup)
{
    if (for_seccomp(setup))
        set_capabilities(&setup->capabilities, setup->capabilities.effective, 0);
}
