/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "clock.h"

#include "mps2.h"

#define LONGEST_US 60000000u /* a third of the 171 s in which 32 bits wrap: the extension below must not miss one */

static uint64_t extended_ticks; /* the counter at its last reading */
static volatile bool rung; /* by the interrupt */

void clock_start(void)
{
    TIMER1->LOAD = UINT32_MAX;
    TIMER1->CONTROL = TIMER_ENABLE | TIMER_32_BIT;
    NVIC_ENABLE = 1u << IRQ_TIMERS;
}

uint64_t clock_us(void)
{
    const uint32_t ticks = ~TIMER1->VALUE;
    extended_ticks += ticks - (uint32_t)extended_ticks;
    return extended_ticks / CLOCK_MHZ;
}

void clock_alarm(uint64_t due_us, uint64_t now_us)
{
    const uint64_t left_us = due_us <= now_us ? 1 : due_us - now_us;
    TIMER2->CONTROL = 0;
    rung = false;
    TIMER2->LOAD = (uint32_t)(left_us < LONGEST_US ? left_us : LONGEST_US) * CLOCK_MHZ;
    TIMER2->CONTROL = TIMER_ENABLE | TIMER_INTERRUPT | TIMER_32_BIT | TIMER_ONE_SHOT;
}

bool clock_has_rung(void) { return rung; }

void clock_interrupt(void)
{
    TIMER2->INTCLR = 1;
    rung = true;
}
