/* Frames of k1link, written a second time and apart from the library, for tests and fuzzers to judge it by. No state.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WIRE_H
#define WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WIRE_MAX_PAYLOAD = 111, WIRE_MAX_BLOCK = 121, WIRE_MAX = 123 };
enum {
    HELLO = 0x01, CONFIG = 0x02, BLACKOUT = 0x03, GET_STATS = 0x04, BEATS = 0x10, PING = 0x20,
    HELLO_ACK = 0x81, ACK = 0x82, STATS = 0x84, PONG = 0xA0, FIRED = 0xB0, LOG = 0xB1
};

typedef struct {
    uint8_t type, seq;
    uint16_t session;
    size_t length; /* of the payload, at most WIRE_MAX_PAYLOAD */
    uint8_t payload[WIRE_MAX_PAYLOAD];
} wire_frame;

/* Write `00 block 00`; its length, payload + 12. */
size_t wire_make(const wire_frame *frame, uint8_t out[WIRE_MAX]);

/* Read what stood between two 00; false where it is no frame. */
bool wire_read(const uint8_t *block, size_t length, wire_frame *frame);

/* Whether a receiver of 1.0 understands the message: type known, long enough, values in their ranges, this major version. */
bool wire_understood(const wire_frame *frame);

/* Whether it is a HELLO or HELLO_ACK of another major version. */
bool wire_other_major(const wire_frame *frame);

/* `size` bytes at `at`, little-endian. */
uint64_t wire_get(const uint8_t *at, unsigned size);
void wire_put(uint8_t *at, unsigned size, uint64_t value);

#endif
