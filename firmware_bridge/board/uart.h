/* The board's line: bytes in by interrupt into a ring, bytes out through another. What does not fit is lost, as on any UART.
 * The interrupts write the head of the ring in and `wanted`, the main loop owns all the rest.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef UART_H
#define UART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void uart_start(void);

/* Take up to `capacity` bytes that have come in. */
size_t uart_read(uint8_t *bytes, size_t capacity);

/* Whether a frame or line has come in, or there is room to send again, since uart_read; to be asked with interrupts off, before a wait. */
bool uart_is_wanting(void);

/* Room for bytes to send. */
size_t uart_room(void);

/* Queue `length` bytes, at most uart_room of them, and send what the line takes now. */
void uart_write(const uint8_t *bytes, size_t length);

/* Send on what is queued; after each wait. */
void uart_pump(void);

/* Send a text at once, waiting for the line: for faults, with nothing else running any more. */
void uart_say_now(const char *text);

void uart_rx_interrupt(void);
void uart_tx_interrupt(void);

#endif
