// SPDX-License-Identifier: Apache-2.0
/* notify: sends each argument as one message to $NOTIFY_SOCKET, as sd_notify(3) does, each with a descriptor; says
 * what failed, and 0 is its status all the same. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

int main(int argc, char **argv)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	if (!path || fd < 0)
		return 1;
	strncpy(address.sun_path, path, sizeof address.sun_path - 1);
	for (int i = 1; i < argc; i++) {
		union {
			struct cmsghdr header;
			char space[CMSG_SPACE(sizeof(int))];
		} rights = {0};
		struct iovec part = {argv[i], strlen(argv[i])};
		struct msghdr message = {.msg_name = &address, .msg_namelen = sizeof address, .msg_iov = &part,
					 .msg_iovlen = 1, .msg_control = &rights, .msg_controllen = sizeof rights};
		rights.header.cmsg_level = SOL_SOCKET;
		rights.header.cmsg_type = SCM_RIGHTS;
		rights.header.cmsg_len = CMSG_LEN(sizeof(int));
		if (sendmsg(fd, &message, 0) < 0)
			perror(path);
	}
	return 0;
}
