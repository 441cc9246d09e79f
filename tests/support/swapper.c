/* SPDX-License-Identifier: Apache-2.0
 *
 * Exchanges two names as fast as it can until it is killed: swapper A B. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <signal.h>

int main(int argc, char **argv)
{
    if (argc != 3 || prctl(PR_SET_PDEATHSIG, SIGKILL))
        return 2;
    puts("ready");
    fflush(stdout);
    while (renameat2(AT_FDCWD, argv[1], AT_FDCWD, argv[2], RENAME_EXCHANGE) == 0)
        continue;
    perror("renameat2");
    return 1;
}
