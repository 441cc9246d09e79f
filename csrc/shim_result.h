/* SPDX-License-Identifier: Apache-2.0
 *
 * How every function of shim.h answers. */
#ifndef PYRUNC_SHIM_RESULT_H
#define PYRUNC_SHIM_RESULT_H

#include <errno.h>

/* What a system call has returned, or -errno. */
static inline int result(long value)
{
    return value < 0 ? -errno : (int)value;
}

#endif
