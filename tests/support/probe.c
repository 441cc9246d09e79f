// SPDX-License-Identifier: Apache-2.0
/* probe: prints as one JSON object what a process in a container sees of itself and of its surroundings.
 *
 * usage: probe [sysctl:NAME | file:PATH | stat:PATH | list:PATH | calls | call:NAME:ARGUMENT...]...
 *
 * Arguments ask for more: the value of a sysctl, a file's text, a file's type, mode, owner and device number, the same
 * for all in a directory, what becomes of system calls (probe_calls.h).
 * What cannot be read is null, so a missing /proc or a seccomp filter does not end it.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "json_writer.h"
#include "probe_calls.h"

extern char **environ;

/* The text of a file (up to 256 KiB, to be freed), NULL when it cannot be read. */
static char *read_file(const char *path)
{
	const size_t limit = 256 << 10;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	char *buffer = malloc(limit + 1);
	size_t used = 0;
	ssize_t got = 0;
	while (buffer && used < limit && (got = read(fd, buffer + used, limit - used)) > 0)
		used += got;
	close(fd);
	if (!buffer || got < 0) {
		free(buffer);
		return NULL;
	}
	buffer[used] = 0;
	return buffer;
}

static void file(const char *name, const char *path)
{
	char *content = read_file(path);
	if (content && *content && content[strlen(content) - 1] == '\n')
		content[strlen(content) - 1] = 0;
	text(name, content);
	free(content);
}

static void lines(const char *name, const char *path)
{
	char *content = read_file(path), *rest = content, *line;
	if (!content) {
		text(name, NULL);
		return;
	}
	begin(name, '[');
	while ((line = strsep(&rest, "\n")))
		if (*line)
			text(NULL, line);
	end(']');
	free(content);
}

static void link_target(const char *name, const char *path)
{
	char target[4096];
	ssize_t length = readlink(path, target, sizeof target - 1);
	if (length >= 0)
		target[length] = 0;
	text(name, length < 0 ? NULL : target);
}

static void identity(void)
{
	uid_t uid[3];
	gid_t gid[3], groups[65536];
	number("pid", getpid());
	number("ppid", getppid());
	number("pgid", getpgid(0));
	number("sid", getsid(0));
	if (!getresuid(&uid[0], &uid[1], &uid[2]) && !getresgid(&gid[0], &gid[1], &gid[2])) {
		begin("uid", '[');
		for (int i = 0; i < 3; i++)
			number(NULL, uid[i]);
		end(']');
		begin("gid", '[');
		for (int i = 0; i < 3; i++)
			number(NULL, gid[i]);
		end(']');
	}
	begin("groups", '[');
	int count = getgroups(65536, groups);
	for (int i = 0; i < count; i++)
		number(NULL, groups[i]);
	end(']');
}

static void capabilities(void)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2] = { 0 };
	uint64_t bounding = 0, ambient = 0;
	for (int i = 0; i < 64; i++) {
		bounding |= (uint64_t)(prctl(PR_CAPBSET_READ, i, 0, 0, 0) == 1) << i;
		ambient |= (uint64_t)(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, i, 0, 0) == 1) << i;
	}
	begin("capabilities", '{');
	if (!syscall(SYS_capget, &header, data)) {
		bits("effective", data[0].effective | (uint64_t)data[1].effective << 32);
		bits("permitted", data[0].permitted | (uint64_t)data[1].permitted << 32);
		bits("inheritable", data[0].inheritable | (uint64_t)data[1].inheritable << 32);
	}
	bits("bounding", bounding);
	bits("ambient", ambient);
	end('}');
	result("securebits", prctl(PR_GET_SECUREBITS, 0, 0, 0, 0));
	result("no_new_privs", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
	result("dumpable", prctl(PR_GET_DUMPABLE, 0, 0, 0, 0));
	int death_signal = -1;
	prctl(PR_GET_PDEATHSIG, &death_signal, 0, 0, 0);
	result("pdeathsig", death_signal);
}

/* Lines of /proc/self/status whose key is asked for. */
static void status(void)
{
	static const char *const keys[] = { "Seccomp",	"Seccomp_filters", "SigBlk", "SigIgn",
					    "SigCgt",	"NSpid",	   "Cpus_allowed_list", "Mems_allowed_list" };
	char *content = read_file("/proc/self/status"), *rest = content, *line;
	begin("status", '{');
	while (content && (line = strsep(&rest, "\n"))) {
		char *value = strstr(line, ":\t");
		if (!value)
			continue;
		*value = 0;
		for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
			if (!strcmp(keys[i], line))
				text(line, value + 2);
	}
	end('}');
	free(content);
}

static void limits(void)
{
	static const char *const names[] = { "CPU",	"FSIZE", "DATA",  "STACK",	"CORE",	    "RSS",  "NPROC",  "NOFILE",
					     "MEMLOCK", "AS",	 "LOCKS", "SIGPENDING", "MSGQUEUE", "NICE", "RTPRIO", "RTTIME" };
	begin("rlimits", '{');
	for (int i = 0; i < 16; i++) {
		struct rlimit limit;
		if (getrlimit(i, &limit))
			continue;
		begin(names[i], '[');
		bits(NULL, limit.rlim_cur);
		bits(NULL, limit.rlim_max);
		end(']');
	}
	end('}');
}

static void scheduling(void)
{
	struct {
		uint32_t size, policy;
		uint64_t flags;
		int32_t nice;
		uint32_t priority;
		uint64_t runtime, deadline, period;
		uint32_t util_min, util_max;
	} attributes = { .size = sizeof attributes };
	begin("scheduler", '{');
	if (!syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0)) {
		number("policy", attributes.policy);
		bits("flags", attributes.flags);
		number("nice", attributes.nice);
		number("priority", attributes.priority);
		bits("runtime", attributes.runtime);
		bits("deadline", attributes.deadline);
		bits("period", attributes.period);
	}
	end('}');
	long priority = syscall(SYS_ioprio_get, 1, 0);
	begin("ioprio", '[');
	if (priority >= 0) {
		number(NULL, priority >> 13);
		number(NULL, priority & 0x1fff);
	}
	end(']');
	begin("affinity", '[');
	cpu_set_t set;
	if (!sched_getaffinity(0, sizeof set, &set))
		for (int i = 0; i < CPU_SETSIZE; i++)
			if (CPU_ISSET(i, &set))
				number(NULL, i);
	end(']');
	result("personality", personality(0xffffffff));
	file("oom_score_adj", "/proc/self/oom_score_adj");
}

/* Every open descriptor and what it refers to; without /proc only the numbers. */
static void descriptors(void)
{
	begin("fds", '{');
	for (int fd = 0; fd < 4096; fd++) {
		char name[16], path[32];
		if (fcntl(fd, F_GETFD) < 0)
			continue;
		snprintf(name, sizeof name, "%d", fd);
		snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
		link_target(name, path);
	}
	end('}');
}

static void namespaces(void)
{
	static const char *const names[] = { "cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts" };
	begin("namespaces", '{');
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		char path[32];
		snprintf(path, sizeof path, "/proc/self/ns/%s", names[i]);
		link_target(names[i], path);
	}
	end('}');
	lines("timens_offsets", "/proc/self/timens_offsets");
	lines("uid_map", "/proc/self/uid_map");
	lines("gid_map", "/proc/self/gid_map");
	file("setgroups", "/proc/self/setgroups");
}

static void terminal(void)
{
	struct winsize size = { 0 };
	begin("tty", '{');
	for (int fd = 0; fd < 3; fd++) {
		static const char *const names[] = { "stdin", "stdout", "stderr" };
		text(names[fd], ttyname(fd));
	}
	if (!ioctl(0, TIOCGWINSZ, &size)) {
		number("rows", size.ws_row);
		number("columns", size.ws_col);
	}
	int fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
	number("controlling", fd >= 0);
	if (fd >= 0) {
		number("foreground", tcgetpgrp(fd));
		close(fd);
	}
	end('}');
}

static void keyring(void)
{
	char description[512] = "";
	long serial = syscall(SYS_keyctl, 0 /* KEYCTL_GET_KEYRING_ID */, -3 /* KEY_SPEC_SESSION_KEYRING */, 0, 0, 0);
	long length = syscall(SYS_keyctl, 6 /* KEYCTL_DESCRIBE */, -3, description, sizeof description - 1, 0);
	begin("keyring", '{');
	result("id", serial);
	text("description", length < 0 ? NULL : description);
	end('}');
}

static void surroundings(void)
{
	struct utsname names;
	char *directory = getcwd(NULL, 0);
	begin("env", '[');
	for (char **variable = environ; *variable; variable++)
		text(NULL, *variable);
	end(']');
	text("cwd", directory);
	free(directory);
	mode_t mask = umask(0);
	umask(mask);
	number("umask", mask);
	if (!uname(&names)) {
		text("hostname", names.nodename);
		text("domainname", names.domainname);
		text("machine", names.machine);
	}
	link_target("exe", "/proc/self/exe");
	file("label", "/proc/self/attr/current");
	lines("mountinfo", "/proc/self/mountinfo");
	lines("cgroups", "/proc/self/cgroup");
}

static void file_status(const char *path)
{
	struct stat entry;
	if (lstat(path, &entry)) {
		text(path, NULL);
		return;
	}
	begin(path, '{');
	number("type", (entry.st_mode & S_IFMT) >> 12);
	number("mode", entry.st_mode & 07777);
	number("uid", entry.st_uid);
	number("gid", entry.st_gid);
	number("size", entry.st_size);
	number("major", major(entry.st_rdev));
	number("minor", minor(entry.st_rdev));
	end('}');
}

/* Everything in a directory, at its path. */
static void directory(const char *path)
{
	char entry_path[4096];
	struct dirent *entry;
	DIR *stream = opendir(path);
	while (stream && (entry = readdir(stream))) {
		snprintf(entry_path, sizeof entry_path, "%s/%s", path, entry->d_name);
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			file_status(entry_path);
	}
	if (stream)
		closedir(stream);
}

static void asked(int count, char **arguments, const char *prefix)
{
	size_t length = strlen(prefix);
	for (int i = 0; i < count; i++) {
		char *subject = arguments[i] + length;
		if (strncmp(arguments[i], prefix, length))
			continue;
		if (!strcmp(prefix, "stat:")) {
			file_status(subject);
		} else if (!strcmp(prefix, "list:")) {
			directory(subject);
		} else if (!strcmp(prefix, "file:")) {
			file(subject, subject);
		} else {
			char path[4096];
			snprintf(path, sizeof path, "/proc/sys/%s", subject);
			for (char *p = path; *p; p++)
				if (*p == '.')
					*p = '/';
			file(subject, path);
		}
	}
}

int main(int argc, char **argv)
{
	begin(NULL, '{');
	begin("args", '[');
	for (int i = 0; i < argc; i++)
		text(NULL, argv[i]);
	end(']');
	descriptors();
	identity();
	capabilities();
	status();
	limits();
	scheduling();
	namespaces();
	terminal();
	keyring();
	surroundings();
	begin("sysctl", '{');
	asked(argc, argv, "sysctl:");
	end('}');
	begin("files", '{');
	asked(argc, argv, "file:");
	end('}');
	begin("stat", '{');
	asked(argc, argv, "stat:");
	asked(argc, argv, "list:");
	end('}');
	begin("calls", '{');
	calls(argc, argv);
	end('}');
	end('}');
	putchar('\n');
	return fflush(stdout) != 0;
}
