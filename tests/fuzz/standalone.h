/* SPDX-License-Identifier: Apache-2.0
 *
 * With STANDALONE a fuzzer is a program that takes one input, on its standard input, without libFuzzer. */
#ifdef STANDALONE
#include <stdint.h>
#include <stdio.h>

int main(void)
{
    static uint8_t data[1 << 20];
    return LLVMFuzzerTestOneInput(data, fread(data, 1, sizeof data, stdin));
}
#endif
