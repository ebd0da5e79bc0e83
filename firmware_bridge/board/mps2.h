/* What this board has: an Arm MPS2 with the AN385 image (Cortex-M3 at 25 MHz), as qemu's `mps2-an385` emulates it.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef MPS2_H
#define MPS2_H

#include <stdint.h>

#define CLOCK_MHZ 25u

typedef struct { /* CMSDK APB UART */
    volatile uint32_t DATA, STATE, CTRL, INTSTATUS, BAUDDIV;
} mps2_uart;

#define UART_STATE_TX_FULL 1u
#define UART_STATE_RX_FULL 2u
#define UART_CTRL_TX 1u
#define UART_CTRL_RX 2u
#define UART_CTRL_TX_INTERRUPT 4u
#define UART_CTRL_RX_INTERRUPT 8u
#define UART_INT_TX 1u
#define UART_INT_RX 2u

typedef struct { /* one half of the CMSDK dual timer; counts down */
    volatile uint32_t LOAD, VALUE, CONTROL, INTCLR, RIS, MIS, BGLOAD;
} mps2_timer;

#define TIMER_ONE_SHOT 0x01u
#define TIMER_32_BIT 0x02u
#define TIMER_INTERRUPT 0x20u
#define TIMER_ENABLE 0x80u

#define UART0 ((mps2_uart *)0x40004000u)
#define TIMER1 ((mps2_timer *)0x40002000u)
#define TIMER2 ((mps2_timer *)0x40002020u)
#define FPGAIO_LEDS (*(volatile uint32_t *)0x40028000u) /* two of them, bits 0 and 1 */
#define NVIC_ENABLE (*(volatile uint32_t *)0xE000E100u)
#define SCB_AIRCR (*(volatile uint32_t *)0xE000ED0Cu)
#define AIRCR_RESET 0x05FA0004u

#define IRQ_UART0_RX 0u
#define IRQ_UART0_TX 1u
#define IRQ_TIMERS 10u

static inline void interrupts_off(void) { __asm volatile("cpsid i" ::: "memory"); }
static inline void interrupts_on(void) { __asm volatile("cpsie i" ::: "memory"); }
static inline void wait_for_interrupt(void) { __asm volatile("dsb\n\twfi" ::: "memory"); }

#endif
