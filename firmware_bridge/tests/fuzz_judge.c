/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fuzz_judge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REQUIRE(ok) ((ok) ? (void)0 : wrong(#ok, __LINE__))
#define FAR_US 10000000

judge_totals judged;

static void wrong(const char *said, int line)
{
    fprintf(stderr, "fuzz_judge.c:%d: not %s\n", line, said);
    abort();
}

void judge_start(judge *on, uint64_t now_us, uint8_t clock_bits, bool announce)
{
    memset(on, 0, sizeof *on);
    on->who = (k1link_identity){{1, 2, 3, 4, 5, 6, 7, 8}, 7, 5000, 160, K1LINK_RESET_POWER_ON, clock_bits, "fuzzed"};
    on->now_us = now_us;
    on->announce = announce;
    on->refractory_us = 100000;
    REQUIRE(k1link_init(&on->node, &on->who, now_us, announce) == K1LINK_OK);
}

static uint32_t ended(const k1link_stats *stats)
{
    return stats->fired + stats->late + stats->missed + stats->cancelled;
}

static bool newer(uint32_t revision, uint32_t than)
{
    return (int32_t)(revision - than) > 0;
}

static int64_t ahead_us(const judge *on, const uint8_t *at)
{
    const uint64_t wire = wire_get(at, 8);
    if (on->who.clock_bits == 64) {
        return (int64_t)(wire - on->now_us);
    }
    const int64_t ahead = (int32_t)((uint32_t)wire - (uint32_t)on->now_us);
    return ahead < 0 && (uint64_t)-ahead > on->now_us ? ahead + ((int64_t)1 << 32) : ahead; /* no counter is below 0 */
}

static void await(judge *on, uint8_t type, const uint8_t *echo, size_t size)
{
    if (on->awaited_count == ANSWERS_KEPT) {
        memmove(on->awaited, on->awaited + 1, sizeof on->awaited - sizeof on->awaited[0]);
        on->awaited_count--;
    }
    awaited *answer = &on->awaited[on->awaited_count++];
    memset(answer, 0, sizeof *answer);
    answer->type = type;
    answer->t2_us = on->now_us;
    memcpy(answer->echo, echo, size);
}

static bool takes_hello(judge *on, const wire_frame *frame)
{
    const uint32_t nonce = (uint32_t)wire_get(frame->payload + 2, 4);
    if (frame->session == 0) {
        return false;
    }
    for (unsigned i = 0; i < SESSIONS_KEPT; i++) {
        if (on->past[i].session == frame->session && on->past[i].nonce == nonce) {
            return false;
        }
    }
    if (frame->session != on->session || nonce != on->nonce) {
        on->past[on->past_next].session = on->session;
        on->past[on->past_next].nonce = on->nonce;
        on->past_next = (on->past_next + 1) % SESSIONS_KEPT;
        on->session = frame->session;
        on->nonce = nonce;
        on->revision = 0;
        on->awaited_count = on->told_count = 0;
        on->reports = on->ends = 0;
    }
    await(on, HELLO_ACK, frame->payload + 2, 4);
    return true;
}

static bool takes_beats(judge *on, const uint8_t *payload)
{
    const uint32_t revision = (uint32_t)wire_get(payload, 4);
    if (!newer(revision, on->revision) || ahead_us(on, payload + 8) > FAR_US) {
        return false;
    }
    for (unsigned i = 0; i < payload[16]; i++) {
        const int64_t ahead = ahead_us(on, payload + 21 + 14 * i);
        if (ahead > FAR_US || ahead < -FAR_US) {
            return false;
        }
    }
    for (unsigned i = 0; i < payload[16]; i++) {
        const uint8_t *at = payload + 17 + 14 * i;
        on->told[on->told_count++ % TOLD_KEPT] =
            (k1link_flash){(uint32_t)wire_get(at, 4), on->now_us + (uint64_t)ahead_us(on, at + 4), 0, at[12], at[13]};
    }
    on->revision = revision;
    return true;
}

/* What a good frame brings about; false where it is to be refused. */
static bool takes(judge *on, const wire_frame *frame)
{
    uint8_t ack[3] = {frame->type, frame->seq, 0};

    if (frame->type == HELLO && wire_other_major(frame)) {
        await(on, HELLO_ACK, frame->payload + 2, 4);
        return false;
    }
    if (!wire_understood(frame) || (frame->type & 0x80) != 0) {
        return false;
    }
    if (frame->type == HELLO) {
        return takes_hello(on, frame);
    }
    if (frame->session == 0 || frame->session != on->session) {
        return false;
    }
    if (frame->type == BEATS) {
        return takes_beats(on, frame->payload);
    }
    if (frame->type == PING) {
        await(on, PONG, frame->payload, 12);
    } else if (frame->type == GET_STATS) {
        await(on, STATS, frame->payload, 0);
    } else if (frame->type == BLACKOUT) {
        const uint32_t revision = (uint32_t)wire_get(frame->payload, 4);
        ack[2] = newer(on->revision, revision) ? 2 : 0;
        on->revision = ack[2] == 2 ? on->revision : revision;
        await(on, ACK, ack, 3);
    } else {
        const uint32_t refractory_ms = (uint32_t)wire_get(frame->payload + 1, 2);
        on->refractory_us = refractory_ms == 65535 ? on->refractory_us : refractory_ms * 1000;
        await(on, ACK, ack, 3);
    }
    return true;
}

/* The block has ended as `frame`: the counts before and after must differ by what it brings about, and by nothing else. */
static void judge_frame(judge *on, const wire_frame *frame, const k1link_stats *was)
{
    const uint16_t session = on->session;
    const bool taken = takes(on, frame);
    const k1link_stats is = k1link_get_stats(&on->node);
    const uint32_t named = taken && frame->type == BEATS ? frame->payload[16] : 0;

    REQUIRE(is.frames_in == was->frames_in + 1);
    REQUIRE(is.bad_frames == was->bad_frames && is.garbage_bytes == was->garbage_bytes);
    REQUIRE(is.refused == was->refused + !taken);
    REQUIRE(is.fired == was->fired && is.late == was->late);
    const uint32_t more = ended(&is) + is.queued - ended(was) - was->queued; /* beats that came to be */
    REQUIRE(more <= named);
    REQUIRE(taken || (ended(&is) == ended(was) && is.queued == was->queued && is.queue_peak == was->queue_peak));
    REQUIRE(frame->type != BLACKOUT || !taken || is.queued == 0 || on->awaited[on->awaited_count - 1].echo[2] == 2);
    if (taken && frame->type == HELLO && (on->session != session || on->ends + on->reports == 0)) {
        REQUIRE(is.queued == 0 || is.queued == was->queued);
    } else {
        on->ends += ended(&is) - ended(was);
    }
    judged.frames++;
    judged.refused += !taken;
}

static void end_block(judge *on, const k1link_stats *was)
{
    const k1link_stats is = k1link_get_stats(&on->node);
    const size_t length = on->block_length;
    wire_frame frame;

    on->block_length = 0;
    if (length > 0 && length <= WIRE_MAX_BLOCK && wire_read(on->block, length, &frame)) {
        judge_frame(on, &frame, was);
        return;
    }
    const bool bad = length > 0 && length <= WIRE_MAX_BLOCK;
    REQUIRE(is.frames_in == was->frames_in && is.refused == was->refused);
    REQUIRE(is.bad_frames == was->bad_frames + bad && is.garbage_bytes == was->garbage_bytes + (bad ? length : 0));
    REQUIRE(ended(&is) == ended(was) && is.queued == was->queued);
    judged.bad_frames += bad;
}

/* Bytes of a block, none of them 00. */
static void extend_block(judge *on, const uint8_t *bytes, size_t length, const k1link_stats *was)
{
    const k1link_stats is = k1link_get_stats(&on->node);
    const bool was_long = on->block_length > WIRE_MAX_BLOCK, is_long = on->block_length + length > WIRE_MAX_BLOCK;
    const size_t garbage = was_long ? length : is_long ? on->block_length + length : 0;

    REQUIRE(is.frames_in == was->frames_in && is.bad_frames == was->bad_frames + (!was_long && is_long));
    REQUIRE(is.garbage_bytes == was->garbage_bytes + garbage);
    judged.bad_frames += !was_long && is_long;
    if (!is_long) {
        memcpy(on->block + on->block_length, bytes, length);
    }
    on->block_length = is_long ? WIRE_MAX_BLOCK + 1 : on->block_length + length;
}

void judge_receive(judge *on, const uint8_t *bytes, size_t length, size_t chunk)
{
    uint8_t none;

    (void)k1link_send(&on->node, &none, 0, on->now_us); /* nothing fits; it now knows whether it listens for ASCII */
    for (size_t at = 0; at < length;) {
        const k1link_stats was = k1link_get_stats(&on->node);
        const bool binary = k1link_is_binary(&on->node);
        size_t count = 1;
        while (binary && count < chunk && at + count < length && bytes[at] != 0 && bytes[at + count] != 0) {
            count++;
        }
        k1link_receive(&on->node, bytes + at, count, on->now_us);
        if (bytes[at] == 0) {
            end_block(on, &was);
        } else if (binary) {
            extend_block(on, bytes + at, count, &was);
        } else {
            const k1link_stats is = k1link_get_stats(&on->node);
            REQUIRE(memcmp(&was, &is, sizeof was) == 0);
        }
        REQUIRE(k1link_is_binary(&on->node) == (binary || bytes[at] == 0) || bytes[at] == '\n');
        at += count;
    }
    judged.bytes += length;
}
