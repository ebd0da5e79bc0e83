/* What the parts of the library know of each other. Read in this order: k1link (the calls), line (ASCII), frame (COBS, CRC, the decoder),
 * message (what each frame from the host brings about), reply (what is sent), queue (beats), report (how they ended).
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef K1LINK_PARTS_H
#define K1LINK_PARTS_H

#include "k1link.h"

#define IDLE_AFTER_US 1500000u
#define ANNOUNCEMENTS 4u
#define ANNOUNCE_US 500000u
#define FAR_US 10000000
#define REFRACTORY_US 100000u

/* Types of messages. */
enum { HELLO = 0x01, CONFIG = 0x02, BLACKOUT = 0x03, GET_STATS = 0x04, BEATS = 0x10, PING = 0x20 };
enum { HELLO_ACK = 0x81, ACK = 0x82, STATS = 0x84, PONG = 0xA0, FIRED = 0xB0, LOG = 0xB1 };

/* How a beat ended, as in FIRED.flags. */
enum { FATE_FIRED = 0, FATE_LATE = 1, FATE_MISSED = 2, FATE_CANCELLED = 4, FATE_TOO_CLOSE = 12 };

/* A decoded frame after its header, checksum proven. */
typedef struct {
    uint8_t type, seq;
    uint16_t session;
    const uint8_t *payload;
    size_t length;
} frame;

enum { HEADER = 5, CRC = 4, OVERHEAD = HEADER + CRC };

/* line.c */
void k1link_line_take(k1link *node, uint8_t byte, uint64_t now_us);
size_t k1link_line_reply(k1link *node, uint8_t *out);

/* frame.c */
bool k1link_frame_take(k1link *node, uint8_t byte, frame *in);
size_t k1link_frame_finish(k1link *node, uint8_t *out, uint8_t type, size_t payload_length);
void k1link_put(uint8_t *at, uint64_t value, size_t bytes); /* little-endian */
uint64_t k1link_get(const uint8_t *at, size_t bytes);

/* message.c: true where it was taken. */
bool k1link_message_take(k1link *node, const frame *in, uint64_t now_us);

/* reply.c: the payload's length and its type; 0 where there is nothing to say. */
k1link_reply *k1link_reply_add(k1link *node, uint8_t type);
size_t k1link_reply_next(k1link *node, uint8_t *payload, uint8_t *type, uint64_t now_us);
uint8_t k1link_firmware(const k1link *node, uint8_t *out24); /* its length; no padding */

/* queue.c */
void k1link_queue_replace(k1link *node, const k1link_beat *beats, size_t count, uint64_t now_us);
void k1link_queue_cancel_all(k1link *node);
uint64_t k1link_queue_next(const k1link *node); /* when to start sending to the LEDs; K1LINK_NEVER */

/* report.c */
void k1link_report_add(k1link *node, const k1link_beat *beat, uint8_t fate, uint64_t latch_us);
uint64_t k1link_report_next(const k1link *node); /* when k1link_report_fired has something; K1LINK_NEVER */
size_t k1link_report_fired(k1link *node, uint8_t *payload, uint64_t now_us);

/* Times on the wire: their low 32 bits from a node with a 32-bit clock. */
uint64_t k1link_to_wire(const k1link *node, uint64_t time_us);
uint64_t k1link_from_wire(const k1link *node, uint64_t time_us, uint64_t now_us);
uint64_t k1link_near(uint64_t low, uint64_t near_us, unsigned bits); /* the value nearest to `near_us` with these low bits */

#endif
