/* The calls of k1link.h: bytes and time in, flashes and bytes out.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "parts.h"

#include <string.h>

k1link_result k1link_init(k1link *node, const k1link_identity *who, uint64_t now_us, bool announce)
{
    if (node == NULL || who == NULL || who->firmware == NULL || who->led_tx_us >= 1000000u || (who->clock_bits != 32u && who->clock_bits != 64u)) {
        return K1LINK_BAD_ARGUMENT;
    }
    memset(node, 0, sizeof *node);
    node->who = who;
    node->started_us = now_us;
    node->binary_us = now_us;
    node->refractory_us = REFRACTORY_US;
    node->style.brightness = UINT8_MAX;
    node->style.fade_ms = UINT16_MAX;
    node->announcements_left = announce ? ANNOUNCEMENTS : 0u;
    return K1LINK_OK;
}

/* Whether `span_us` has passed since `then_us`; not where `now_us` fell. */
static bool passed(uint64_t now_us, uint64_t then_us, uint64_t span_us)
{
    return now_us >= then_us && now_us - then_us >= span_us;
}

/* The host has gone, or is another one, which begins in ASCII. */
static void forget_frames(k1link *node, uint64_t now_us)
{
    if (node->binary && k1link_is_idle(node, now_us) && passed(now_us, node->binary_us, IDLE_AFTER_US)) {
        node->binary = false;
    }
}

void k1link_start(k1link *node, uint64_t now_us)
{
    node->binary = true;
    node->binary_us = now_us;
    node->line_length = 0;
    node->line_fits = 0;
}

void k1link_receive(k1link *node, const uint8_t *bytes, size_t length, uint64_t now_us)
{
    frame in;

    forget_frames(node, now_us);
    for (size_t i = 0; i < length; i++) {
        if (!node->binary) {
            if (bytes[i] != 0u) {
                k1link_line_take(node, bytes[i], now_us);
                continue;
            }
            k1link_start(node, now_us); /* no console line has a 00; it belongs to the frame */
        }
        if (!k1link_frame_take(node, bytes[i], &in)) {
            continue;
        }
        if (k1link_message_take(node, &in, now_us)) {
            node->heard_us = now_us;
        } else {
            node->stats.refused++;
        }
    }
}

static uint64_t announcement_due(const k1link *node)
{
    if (node->announcements_left == 0u || node->session != 0u) {
        return K1LINK_NEVER;
    }
    return node->started_us + (ANNOUNCEMENTS - node->announcements_left) * (uint64_t)ANNOUNCE_US;
}

static size_t announcement(k1link *node, uint8_t *payload, uint8_t *type, uint64_t now_us)
{
    if (now_us < announcement_due(node)) {
        return 0;
    }
    while (announcement_due(node) <= now_us) {
        node->announcements_left--; /* those slept through are not made up for */
    }
    (void)k1link_reply_add(node, HELLO_ACK); /* nonce 0: nothing else waits, or this would not have been reached */
    return k1link_reply_next(node, payload, type, now_us);
}

static bool log_ready(const k1link *node)
{
    return node->log_length > 0u && node->session != 0u; /* what is sent outside of a session is read by nobody */
}

size_t k1link_send(k1link *node, uint8_t *out, size_t capacity, uint64_t now_us)
{
    uint8_t type = FIRED;

    forget_frames(node, now_us);
    if (capacity < K1LINK_MAX_WIRE) {
        return 0;
    }
    if (node->line_replies != 0u) {
        return k1link_line_reply(node, out);
    }
    uint8_t *payload = out + 2 + HEADER;
    size_t length = k1link_reply_next(node, payload, &type, now_us);
    if (length == 0u) {
        length = k1link_report_fired(node, payload, now_us);
    }
    if (length == 0u && log_ready(node)) {
        type = LOG;
        length = node->log_length;
        memcpy(payload, node->log, length);
        node->log_length = 0;
    }
    if (length == 0u) {
        length = announcement(node, payload, &type, now_us);
    }
    return length == 0u ? 0u : k1link_frame_finish(node, out, type, length);
}

uint64_t k1link_next_due(const k1link *node, uint64_t now_us)
{
    if (node->line_replies != 0u || node->reply_count > 0u || log_ready(node)) {
        return now_us;
    }
    uint64_t due = k1link_queue_next(node);
    const uint64_t others[] = {k1link_report_next(node), announcement_due(node)};
    for (size_t i = 0; i < 2; i++) {
        due = others[i] < due ? others[i] : due;
    }
    return due;
}

bool k1link_is_idle(const k1link *node, uint64_t now_us)
{
    return node->stats.queued == 0u && (node->session == 0u || passed(now_us, node->heard_us, IDLE_AFTER_US));
}

bool k1link_is_binary(const k1link *node)
{
    return node->binary;
}

void k1link_log(k1link *node, uint8_t level, const char *text)
{
    size_t length = 0;
    while (length < K1LINK_LOG_TEXT && text[length] != '\0') {
        length++;
    }
    node->log[0] = level;
    memcpy(node->log + 1, text, length);
    node->log_length = (uint8_t)(1u + length);
}

k1link_style k1link_get_style(const k1link *node)
{
    return node->style;
}

k1link_stats k1link_get_stats(const k1link *node)
{
    return node->stats;
}

uint64_t k1link_near(uint64_t low, uint64_t near_us, unsigned bits)
{
    const uint64_t span = (uint64_t)1 << bits;
    const uint64_t ahead = (low - near_us) & (span - 1u);

    if (ahead < span / 2u) {
        return near_us + ahead;
    }
    const uint64_t behind = span - ahead;
    return behind <= near_us ? near_us - behind : near_us + ahead;
}

uint64_t k1link_extend(uint32_t counter, uint64_t near_us)
{
    return k1link_near(counter, near_us, 32);
}

uint64_t k1link_to_wire(const k1link *node, uint64_t time_us)
{
    return node->who->clock_bits == 32u ? (uint32_t)time_us : time_us;
}

uint64_t k1link_from_wire(const k1link *node, uint64_t time_us, uint64_t now_us)
{
    return node->who->clock_bits == 32u ? k1link_near(time_us, now_us, 32) : time_us;
}
