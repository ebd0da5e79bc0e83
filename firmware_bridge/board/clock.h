/* The board's clock: microseconds since the start from a free-running 25 MHz timer, and one alarm. No tick: an emulated tick loses time.
 * Owned by the main loop.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CLOCK_H
#define CLOCK_H

#include <stdbool.h>
#include <stdint.h>

void clock_start(void);

/* Since clock_start; never falls. Must be called every 171 s at least. */
uint64_t clock_us(void);

/* Raise an interrupt, which ends a wait, at `due_us` or up to 60 s earlier; replaces the alarm before. */
void clock_alarm(uint64_t due_us, uint64_t now_us);

/* Whether it was raised since it was set. */
bool clock_has_rung(void);

void clock_interrupt(void);

#endif
