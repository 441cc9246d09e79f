// SPDX-License-Identifier: Apache-2.0
/* talker FILE: two processes with a TCP connection over lo; one sends "tick 1", "tick 2", ... ten times a second, the
 * other writes to FILE what arrives.  Only blocking calls, which a kernel restarts by itself. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static void check(int good, const char *what)
{
	if (!good) {
		perror(what);
		exit(1);
	}
}

static void send_ticks(int fd)
{
	for (int n = 1;; n++) {
		struct timespec pause = { 0, 100000000 };
		char line[32];
		int length = snprintf(line, sizeof line, "tick %d\n", n);
		check(write(fd, line, (size_t)length) == length, "write");
		while (nanosleep(&pause, &pause))
			;
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(5000) };
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	check(argc == 2, "usage: talker FILE");
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	check(!bind(listener, (struct sockaddr *)&address, sizeof address) && !listen(listener, 1), "listen");
	if (fork() == 0) {
		int sender = socket(AF_INET, SOCK_STREAM, 0);
		close(listener);
		check(!connect(sender, (struct sockaddr *)&address, sizeof address), "connect");
		send_ticks(sender);
	}
	int file = open(argv[1], O_WRONLY | O_CREAT | O_APPEND, 0644), receiver = accept(listener, NULL, NULL);
	char buffer[4096];
	ssize_t got;
	check(file >= 0 && receiver >= 0, "accept");
	while ((got = read(receiver, buffer, sizeof buffer)) > 0)
		check(write(file, buffer, (size_t)got) == got, "write");
	return 1;
}
