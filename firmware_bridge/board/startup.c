/* From reset to main, and from a fault back to reset: the vectors, memory as C wants it, and why the board started.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "startup.h"

#include "clock.h"
#include "k1link.h"
#include "mps2.h"
#include "uart.h"

extern uint32_t data_load[], data_start[], data_end[], bss_start[], bss_end[], stack_top[];
int main(void);
void reset_handler(void);

#define KEPT_RUNNING 0x6B31A11Eu /* the board ran before: this start is no power-on */
#define KEPT_PANIC 0x6B31DEADu

static uint32_t kept __attribute__((section(".kept"))); /* RAM is all zero after power-on under qemu; on a real part it is anything else */

uint8_t take_reset_reason(void)
{
    const uint32_t before = kept;
    kept = KEPT_RUNNING;
    if (before == KEPT_PANIC)
        return K1LINK_RESET_PANIC;
    return before == KEPT_RUNNING ? K1LINK_RESET_EXTERNAL : K1LINK_RESET_POWER_ON;
}

void reset_handler(void)
{
    for (uint32_t *from = data_load, *to = data_start; to < data_end;)
        *to++ = *from++;
    for (uint32_t *to = bss_start; to < bss_end;)
        *to++ = 0;
    main();
}

static void panic(void)
{
    uart_say_now("Guru Meditation Error: fault on the board\r\n");
    kept = KEPT_PANIC;
    SCB_AIRCR = AIRCR_RESET;
    for (;;) {
    }
}

typedef void (*vector)(void);

/* 4 to 6 and the rest of the first 16 are faults and calls that nothing here makes. */
__attribute__((section(".vectors"), used)) static const vector vectors[16 + 11] = {
    (vector)(uintptr_t)stack_top, reset_handler, panic, panic, panic, panic, panic, panic, panic, panic, panic, panic, panic, panic, panic, panic,
    [16 + IRQ_UART0_RX] = uart_rx_interrupt,
    [16 + IRQ_UART0_TX] = uart_tx_interrupt,
    [16 + IRQ_TIMERS] = clock_interrupt,
};
