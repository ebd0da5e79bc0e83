/* Chance, for a boot id that differs after every start. The emulated chip has no generator, so the host's is read through semihosting
 * (qemu: -semihosting-config enable=on,target=native). Without it this is a fault.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef RANDOM_H
#define RANDOM_H

#include <stdint.h>

uint32_t random_word(void);

#endif
