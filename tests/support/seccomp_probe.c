// SPDX-License-Identifier: Apache-2.0
// Loads a seccomp program (standard input) and makes one system call under it, then says what became of it.
//
//   seccomp_probe MODE FLAGS ABI NUMBER [ARGUMENT...]
//
// MODE: plain   the call's result, "ret N" or "errno N", or death by a signal
//       thread  the call is made by a second thread; "alive" when the process survives it
//       trace   a tracer continues the call and prints "traced MESSAGE" first
//       notify  the listener answers with the value 4242
// FLAGS: SECCOMP_FILTER_FLAG_*.  ABI: x64, x32, i386.
#define _GNU_SOURCE
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *abi;
static unsigned long number, argument[6];
static struct sock_filter program[4096];

static int load(unsigned int flags)
{
	size_t length = fread(program, sizeof *program, 4096, stdin);
	struct sock_fprog prog = {.len = (unsigned short)length, .filter = program};
	long result;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return -1;
	result = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &prog);
	if (result < 0) {
		printf("not loaded: %s\n", strerror(errno));
		exit(3);
	}
	return (int)result;
}

static void on_sigsys(int signal, siginfo_t *info, void *context)
{
	(void)signal, (void)context;
	char text[64];
	int length = snprintf(text, sizeof text, "trapped %d errno %d\n", info->si_syscall, info->si_errno);
	_exit(write(1, text, (size_t)length) == length ? 0 : 1);
}

static long call(void)
{
	long result;

	if (strcmp(abi, "i386") == 0) {
		__asm__ volatile("int $0x80"
				 : "=a"(result)
				 : "a"(number), "b"(argument[0]), "c"(argument[1]), "d"(argument[2])
				 : "memory", "r8", "r9", "r10", "r11");
		return (int)result;
	}
	unsigned long nr = number | (strcmp(abi, "x32") == 0 ? 0x40000000UL : 0);
	register unsigned long r10 __asm__("r10") = argument[3];
	register unsigned long r8 __asm__("r8") = argument[4];
	register unsigned long r9 __asm__("r9") = argument[5];
	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(nr), "D"(argument[0]), "S"(argument[1]), "d"(argument[2]),
			   "r"(r10), "r"(r8), "r"(r9)
			 : "memory", "rcx", "r11");
	return result;
}

static void report(long result)
{
	char text[64];
	int length = result < 0 && result > -4096 ? snprintf(text, sizeof text, "errno %ld\n", -result)
						  : snprintf(text, sizeof text, "ret %ld\n", result);
	if (write(1, text, (size_t)length) != length)
		_exit(1);
}

static void *in_thread(void *unused)
{
	report(call());
	return unused;
}

static int traced(unsigned int flags)
{
	unsigned long message = 0;
	int status;
	pid_t child = fork();

	if (child == 0) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		load(flags);
		report(call());
		_exit(0);
	}
	waitpid(child, &status, 0);
	ptrace(PTRACE_SETOPTIONS, child, 0, PTRACE_O_TRACESECCOMP | PTRACE_O_EXITKILL);
	for (;;) {
		ptrace(PTRACE_CONT, child, 0, 0);
		if (waitpid(child, &status, 0) != child || !WIFSTOPPED(status))
			return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
		if (status >> 8 == (SIGTRAP | PTRACE_EVENT_SECCOMP << 8)) {
			ptrace(PTRACE_GETEVENTMSG, child, 0, &message);
			printf("traced %lu\n", message);
			fflush(stdout);
		}
	}
}

int main(int argc, char **argv)
{
	unsigned int flags = (unsigned int)strtoul(argv[2], NULL, 0);
	struct sigaction action = {.sa_sigaction = on_sigsys, .sa_flags = SA_SIGINFO};
	pthread_t thread;
	int listener;

	abi = argv[3];
	number = strtoul(argv[4], NULL, 0);
	for (int i = 5; i < argc && i < 11; i++)
		argument[i - 5] = strtoul(argv[i], NULL, 0);
	if (strcmp(argv[1], "trace") == 0)
		return traced(flags);
	sigaction(SIGSYS, &action, NULL);
	listener = load(flags);
	if (strcmp(argv[1], "plain") == 0) {
		report(call());
		return 0;
	}
	if (pthread_create(&thread, NULL, in_thread, NULL) != 0)
		return 1;
	if (strcmp(argv[1], "notify") == 0) {
		struct seccomp_notif request = {0};
		struct seccomp_notif_resp response = {.val = 4242};

		if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &request) != 0)
			return 1;
		response.id = request.id;
		if (ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response) != 0)
			return 1;
	}
	pthread_join(thread, NULL);
	return write(1, "alive\n", 6) == 6 ? 0 : 1;
}
