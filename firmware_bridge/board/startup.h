/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef STARTUP_H
#define STARTUP_H

#include <stdint.h>

/* Why the board started, a k1link_reset_reason; call it once. */
uint8_t take_reset_reason(void);

#endif
