// SPDX-License-Identifier: Apache-2.0
/* locker FILE PROGRAM [ARGUMENT...]: locks the file (flock(2)) and becomes the program, which keeps the lock.
 *
 * Ends with 1 when somebody else has the lock. */
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	if (argc < 3)
		return 2;
	int fd = open(argv[1], O_RDWR | O_CREAT, 0600);
	if (fd < 0)
		return 2;
	if (flock(fd, LOCK_EX | LOCK_NB))
		return 1;
	execvp(argv[2], argv + 2);
	return 2;
}
