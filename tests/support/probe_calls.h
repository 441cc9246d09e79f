// SPDX-License-Identifier: Apache-2.0
/* What becomes of system calls: each is made by a child of its own, since a filter may kill.  For probe.c.
 *
 * The arguments are such that a call that is let through does nothing: wrong descriptors, flags and addresses.
 */
#ifndef PROBE_CALLS_H
#define PROBE_CALLS_H

#include <sys/wait.h>

#define CALL(name) { #name, SYS_##name, { -1, -1, -1, -1, -1, -1 } }
#define CALL2(name, first, second) { #name, SYS_##name, { first, second, -1, -1, -1, -1 } }

struct known_call {
	const char *name;
	long number;
	long arguments[6];
};

static const struct known_call known_calls[] = {
	CALL(mount), CALL(umount2), CALL(pivot_root), CALL(chroot), CALL(unshare), CALL(setns), CALL2(clone3, 0, 0),
	CALL(reboot), CALL(init_module), CALL(delete_module), CALL(finit_module), CALL(bpf), CALL(perf_event_open),
	CALL(ptrace), CALL(process_vm_readv), CALL(keyctl), CALL(add_key), CALL(request_key), CALL(userfaultfd),
	CALL2(io_uring_setup, 0, 0), CALL(open_by_handle_at), CALL(name_to_handle_at), CALL(acct), CALL(swapon),
	CALL(swapoff), CALL(quotactl), CALL(syslog), CALL(settimeofday), CALL(clock_settime), CALL(adjtimex),
	CALL(sethostname), CALL(setdomainname), CALL(personality), CALL(fanotify_init), CALL(migrate_pages),
	CALL(move_pages), CALL(mbind), CALL(set_mempolicy), CALL(get_mempolicy), CALL(kcmp), CALL(sched_setattr),
	CALL(setgroups), CALL(capset), CALL(socket), CALL(syncfs), CALL(open_tree), CALL(fsopen), CALL(fsmount),
	CALL(fsconfig), CALL(fspick), CALL(move_mount), CALL(mount_setattr), CALL(statx), CALL(openat2),
	CALL2(close_range, 5, 4), CALL(pidfd_open), CALL(pidfd_getfd), CALL(faccessat2), CALL(epoll_pwait2),
	CALL(process_madvise), CALL(landlock_create_ruleset), CALL(fchmodat), CALL(mknodat), CALL(rseq),
#ifdef SYS_memfd_secret
	CALL(memfd_secret),
#endif
#ifdef SYS_futex_waitv
	CALL(futex_waitv),
#endif
#ifdef SYS_iopl
	CALL(iopl), CALL(ioperm), CALL(chmod), CALL(mknod), CALL(modify_ldt),
#endif
	{ "462", 462, { -1, -1, -1, -1, -1, -1 } }, { "999", 999, { -1, -1, -1, -1, -1, -1 } },
};

/* "ret N", "errno N" or "signal N"; "no child" when even fork is forbidden. */
static void verdict(const char *name, long number_of_call, const long *a)
{
	char said[64] = "no child";
	int status;
	fflush(stdout);
	pid_t child = fork();
	if (!child) {
		long value = syscall(number_of_call, a[0], a[1], a[2], a[3], a[4], a[5]);
		/* The status carries it: nothing else may be allowed. */
		_exit(value >= 0 ? 0 : errno < 200 ? errno : 255);
	}
	if (child > 0 && waitpid(child, &status, 0) == child) {
		if (WIFSIGNALED(status))
			snprintf(said, sizeof said, "signal %d", WTERMSIG(status));
		else if (WEXITSTATUS(status))
			snprintf(said, sizeof said, "errno %d", WEXITSTATUS(status));
		else
			snprintf(said, sizeof said, "done");
	}
	text(name, said);
}

/* "calls": all of the table;  "call:NAME:ARGUMENT...": one of it with other first arguments. */
static void calls(int count, char **asked)
{
	const size_t known = sizeof known_calls / sizeof *known_calls;
	for (int i = 0; i < count; i++) {
		if (!strcmp(asked[i], "calls"))
			for (size_t j = 0; j < known; j++)
				verdict(known_calls[j].name, known_calls[j].number, known_calls[j].arguments);
		if (strncmp(asked[i], "call:", 5))
			continue;
		char *rest = strdup(asked[i] + 5), *cursor = rest, *name = strsep(&cursor, ":");
		for (size_t j = 0; j < known; j++) {
			if (strcmp(name, known_calls[j].name))
				continue;
			long arguments[6];
			memcpy(arguments, known_calls[j].arguments, sizeof arguments);
			for (int k = 0; k < 6 && cursor; k++)
				arguments[k] = (long)strtoull(strsep(&cursor, ":"), NULL, 0);
			verdict(asked[i] + 5, known_calls[j].number, arguments);
		}
		free(rest);
	}
}

#endif
