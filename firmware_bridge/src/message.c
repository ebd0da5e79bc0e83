/* What each frame from the host brings about. Refused: unknown, short, out of range, stale, of another session or version; without effect.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "parts.h"

#include <string.h>

enum { HELLO_SIZE = 22, CONFIG_SIZE = 5, BLACKOUT_SIZE = 4, BEATS_SIZE = 59, PING_SIZE = 12 };
enum { BEATS_HEAD = 17, BEAT_SIZE = 14, MIN_PERIOD_US = 200000, MAX_PERIOD_US = 2000000, MAX_BEAT_IN_BAR = 16 };
enum { AS_IT_IS = 65535, MAX_REFRACTORY_MS = 1000 };
enum { OK = 0, STALE = 2 };

/* Serial numbers of RFC 1982: right across the wrap. */
static bool newer(uint32_t revision, uint32_t than)
{
    return revision != than && revision - than < 0x80000000u;
}

static bool is_replay(const k1link *node, uint16_t session, uint32_t nonce)
{
    for (size_t i = 0; i < K1LINK_SESSIONS_KEPT; i++) {
        if (node->past_session[i] == session && node->past_nonce[i] == nonce) {
            return true; /* unused places hold session 0, which none has */
        }
    }
    return false;
}

static void begin_session(k1link *node, uint16_t session, uint32_t nonce)
{
    node->past_session[node->past_next] = node->session;
    node->past_nonce[node->past_next] = node->nonce;
    node->past_next = (uint8_t)((node->past_next + 1u) % K1LINK_SESSIONS_KEPT);
    node->session = session;
    node->nonce = nonce;
    node->revision = 0;
    node->style.period_us = 0;
    k1link_queue_cancel_all(node);
    node->ended_count = 0;
    node->ended_next = 0;
    node->report_count = 0;
    node->reply_count = 0;
}

static bool hello(k1link *node, const frame *in)
{
    const uint8_t *payload = in->payload;
    const bool other_major = in->length >= 6u && payload[0] != K1LINK_MAJOR;

    if (!other_major) {
        if (in->length < HELLO_SIZE) {
            return false;
        }
        const uint32_t nonce = (uint32_t)k1link_get(payload + 2, 4);
        if (nonce == 0u || in->session == 0u || is_replay(node, in->session, nonce)) {
            return false;
        }
        if (in->session != node->session || nonce != node->nonce) {
            begin_session(node, in->session, nonce);
        }
    }
    memcpy(k1link_reply_add(node, HELLO_ACK)->echo, payload + 2, 4); /* one of another major hears ours, so that the host can name both */
    return !other_major;
}

static void acknowledge(k1link *node, const frame *in, uint8_t result)
{
    k1link_reply *reply = k1link_reply_add(node, ACK);
    reply->echo[0] = in->type;
    reply->echo[1] = in->seq;
    reply->echo[2] = result;
}

static bool config(k1link *node, const frame *in)
{
    if (in->length < CONFIG_SIZE) {
        return false;
    }
    const uint8_t brightness = in->payload[0];
    const uint16_t refractory_ms = (uint16_t)k1link_get(in->payload + 1, 2);
    const uint16_t fade_ms = (uint16_t)k1link_get(in->payload + 3, 2);
    if (refractory_ms > MAX_REFRACTORY_MS && refractory_ms != AS_IT_IS) {
        return false;
    }
    if (refractory_ms != AS_IT_IS) {
        node->refractory_us = refractory_ms * 1000u;
    }
    if (fade_ms != AS_IT_IS) {
        node->style.fade_ms = fade_ms;
    }
    if (brightness != UINT8_MAX) {
        node->style.brightness = brightness;
    }
    acknowledge(node, in, OK);
    return true;
}

static bool blackout(k1link *node, const frame *in)
{
    if (in->length < BLACKOUT_SIZE) {
        return false;
    }
    const uint32_t revision = (uint32_t)k1link_get(in->payload, 4);
    const bool stale = newer(node->revision, revision);
    if (!stale) {
        node->revision = revision;
        node->style.period_us = 0;
        k1link_queue_cancel_all(node);
    }
    acknowledge(node, in, stale ? STALE : OK);
    return true;
}

/* A time from the wire, extended; false where it is out of range or too far away. */
static bool time_near(const k1link *node, const uint8_t *at, uint64_t now_us, bool past_too, uint64_t *time_us)
{
    const uint64_t wire = k1link_get(at, 8);
    *time_us = k1link_from_wire(node, wire, now_us);
    const int64_t ahead_us = (int64_t)(*time_us - now_us);
    return wire >> 63 == 0u && ahead_us <= FAR_US && (!past_too || ahead_us >= -FAR_US);
}

static bool beats(k1link *node, const frame *in, uint64_t now_us)
{
    k1link_beat named[K1LINK_SLOTS];
    uint64_t valid_until;

    if (in->length < BEATS_SIZE) {
        return false;
    }
    const uint32_t revision = (uint32_t)k1link_get(in->payload, 4);
    const uint32_t period_us = (uint32_t)k1link_get(in->payload + 4, 4);
    const size_t count = in->payload[16];
    if (!newer(revision, node->revision) || (period_us != 0u && (period_us < MIN_PERIOD_US || period_us > MAX_PERIOD_US)) ||
        !time_near(node, in->payload + 8, now_us, false, &valid_until) || count > K1LINK_SLOTS) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        const uint8_t *at = in->payload + BEATS_HEAD + i * BEAT_SIZE;
        named[i].id = (uint32_t)k1link_get(at, 4);
        named[i].strength = at[12];
        named[i].beat_in_bar = at[13];
        if (!time_near(node, at + 4, now_us, true, &named[i].t_node_us) || at[13] > MAX_BEAT_IN_BAR) {
            return false;
        }
        for (size_t j = 0; j < i; j++) {
            if (named[j].id == named[i].id) {
                return false;
            }
        }
    }
    node->revision = revision;
    node->style.period_us = period_us;
    k1link_queue_replace(node, named, count, now_us);
    return true;
}

static bool ping(k1link *node, const frame *in, uint64_t now_us)
{
    if (in->length < PING_SIZE) {
        return false;
    }
    k1link_reply *reply = k1link_reply_add(node, PONG);
    memcpy(reply->echo, in->payload, PING_SIZE);
    reply->t2_low = (uint32_t)now_us;
    reply->t2_high = (uint8_t)(now_us >> 32);
    return true;
}

bool k1link_message_take(k1link *node, const frame *in, uint64_t now_us)
{
    if (in->type == HELLO) {
        return hello(node, in);
    }
    if (in->session != node->session || node->session == 0u) {
        return false;
    }
    switch (in->type) {
    case CONFIG:
        return config(node, in);
    case BLACKOUT:
        return blackout(node, in);
    case GET_STATS:
        (void)k1link_reply_add(node, STATS);
        return true;
    case BEATS:
        return beats(node, in, now_us);
    case PING:
        return ping(node, in, now_us);
    default:
        return false;
    }
}
