/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "uart.h"

#include "mps2.h"

#define RING 512u /* a power of two; in: 5 ms at 921600 baud; out: four of the longest frames */
#define BAUD_DIVISOR 27u /* 25 MHz / 921600; the hardware wants 16 or more */

static volatile uint8_t in[RING];
static volatile uint32_t in_head;
static volatile bool wanted; /* by an interrupt, of the main loop */
static uint32_t in_tail;
static uint8_t out[RING];
static uint32_t out_head, out_tail;

#define CTRL_IDLE (UART_CTRL_TX | UART_CTRL_RX | UART_CTRL_RX_INTERRUPT)

void uart_start(void)
{
    UART0->BAUDDIV = BAUD_DIVISOR;
    UART0->CTRL = CTRL_IDLE;
    NVIC_ENABLE = 1u << IRQ_UART0_RX | 1u << IRQ_UART0_TX;
}

/* The main loop is woken by what ends a frame or a line, not by each byte. */
void uart_rx_interrupt(void)
{
    static uint8_t last;
    const uint32_t waiting = in_head - in_tail;
    UART0->INTSTATUS = UART_INT_RX; /* before the byte is taken: after it, this could be the interrupt of the next one */
    const uint8_t byte = (uint8_t)UART0->DATA;
    if (waiting < RING) {
        in[in_head % RING] = byte;
        in_head++;
    }
    if (byte == '\n' || (byte == 0 && last != 0) || waiting > RING / 2)
        wanted = true;
    last = byte;
}

void uart_tx_interrupt(void)
{
    UART0->INTSTATUS = UART_INT_TX;
    UART0->CTRL = CTRL_IDLE;
    wanted = true;
}

bool uart_is_wanting(void) { return wanted; }

size_t uart_read(uint8_t *bytes, size_t capacity)
{
    size_t count = 0;
    wanted = false;
    while (count < capacity && in_tail != in_head)
        bytes[count++] = in[in_tail++ % RING];
    if (in_tail != in_head)
        wanted = true;
    return count;
}

size_t uart_room(void) { return RING - (out_head - out_tail); }

void uart_write(const uint8_t *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        out[out_head++ % RING] = bytes[i];
    uart_pump();
}

void uart_pump(void)
{
    while (out_tail != out_head && !(UART0->STATE & UART_STATE_TX_FULL))
        UART0->DATA = out[out_tail++ % RING];
    if (out_tail != out_head)
        UART0->CTRL = CTRL_IDLE | UART_CTRL_TX_INTERRUPT;
}

void uart_say_now(const char *text)
{
    UART0->BAUDDIV = BAUD_DIVISOR;
    UART0->CTRL = UART_CTRL_TX;
    while (*text) {
        if (!(UART0->STATE & UART_STATE_TX_FULL))
            UART0->DATA = (uint8_t)*text++;
    }
}
