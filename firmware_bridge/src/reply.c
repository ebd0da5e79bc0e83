/* Answers: what each needs of its request is kept, the rest is filled in when it is sent.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "parts.h"

#include <string.h>

/* The answer to fill in; where too many wait, the oldest goes. */
k1link_reply *k1link_reply_add(k1link *node, uint8_t type)
{
    if (node->reply_count == K1LINK_REPLIES_KEPT) {
        node->reply_count--;
        memmove(node->replies, node->replies + 1, node->reply_count * sizeof node->replies[0]);
    }
    k1link_reply *reply = &node->replies[node->reply_count++];
    memset(reply, 0, sizeof *reply);
    reply->type = type;
    return reply;
}

/* The firmware's name, cut to 24 bytes between two characters. */
uint8_t k1link_firmware(const k1link *node, uint8_t *out24)
{
    const char *text = node->who->firmware;
    uint8_t length = 0;

    while (length < 24u && text[length] != '\0') {
        length++;
    }
    if (length == 24u) {
        while (length > 0u && ((uint8_t)text[length] & 0xC0u) == 0x80u) {
            length--;
        }
    }
    memcpy(out24, text, length);
    return length;
}

static uint64_t uptime(const k1link *node, uint64_t now_us)
{
    return now_us > node->started_us ? now_us - node->started_us : 0u;
}

static size_t hello_ack(const k1link *node, const k1link_reply *reply, uint8_t *payload, uint64_t now_us)
{
    const k1link_identity *who = node->who;

    memset(payload, 0, 63);
    payload[0] = K1LINK_MAJOR;
    payload[1] = K1LINK_MINOR;
    memcpy(payload + 2, reply->echo, 4);
    k1link_put(payload + 6, who->boot_id, 4);
    k1link_put(payload + 10, uptime(node, now_us), 8);
    memcpy(payload + 18, who->unique_id, sizeof who->unique_id);
    payload[26] = who->reset_reason;
    payload[27] = K1LINK_QUEUE_DEPTH;
    payload[28] = K1LINK_MAX_FRAME;
    k1link_put(payload + 29, who->led_count, 2);
    k1link_put(payload + 31, who->led_tx_us, 4);
    payload[35] = who->clock_bits == 32u;
    (void)k1link_firmware(node, payload + 39);
    return 63;
}

static size_t stats(const k1link *node, uint8_t *payload, uint64_t now_us)
{
    const k1link_stats *seen = &node->stats;
    const uint32_t totals[] = {seen->frames_in, seen->bad_frames, seen->garbage_bytes, seen->refused,
                               seen->fired,     seen->late,       seen->missed,        seen->cancelled};

    k1link_put(payload, uptime(node, now_us), 8);
    for (size_t i = 0; i < sizeof totals / sizeof totals[0]; i++) {
        k1link_put(payload + 8 + 4 * i, totals[i], 4);
    }
    payload[40] = seen->queued;
    payload[41] = seen->queue_peak;
    return 42;
}

static size_t pong(const k1link *node, const k1link_reply *reply, uint8_t *payload, uint64_t now_us)
{
    const uint64_t t2_us = k1link_near((uint64_t)reply->t2_high << 32 | reply->t2_low, now_us, 40);

    memcpy(payload, reply->echo, 12);
    k1link_put(payload + 12, k1link_to_wire(node, t2_us), 8);
    k1link_put(payload + 20, k1link_to_wire(node, now_us), 8);
    return 28;
}

size_t k1link_reply_next(k1link *node, uint8_t *payload, uint8_t *type, uint64_t now_us)
{
    if (node->reply_count == 0u) {
        return 0;
    }
    const k1link_reply reply = node->replies[0];
    node->reply_count--;
    memmove(node->replies, node->replies + 1, node->reply_count * sizeof node->replies[0]);
    *type = reply.type;
    switch (reply.type) {
    case HELLO_ACK:
        return hello_ack(node, &reply, payload, now_us);
    case STATS:
        return stats(node, payload, now_us);
    case PONG:
        return pong(node, &reply, payload, now_us);
    default:
        memcpy(payload, reply.echo, 3); /* ACK */
        return 3;
    }
}
