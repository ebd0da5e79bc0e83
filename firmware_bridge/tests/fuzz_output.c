/* The part of the judge that looks at what the node sends and flashes. SPDX-License-Identifier: GPL-3.0-or-later */
#include "fuzz_judge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REQUIRE(ok) ((ok) ? (void)0 : wrong(#ok, __LINE__))

static void wrong(const char *said, int line)
{
    fprintf(stderr, "fuzz_output.c:%d: not %s\n", line, said);
    abort();
}

/* Whether this beat was told in this session, as it flashed. */
static bool was_told(const judge *on, const k1link_flash *flash)
{
    const unsigned kept = on->told_count < TOLD_KEPT ? on->told_count : TOLD_KEPT;
    for (unsigned i = 0; i < kept; i++) {
        const k1link_flash *told = &on->told[i];
        if (told->id == flash->id && told->t_sched_us == flash->t_sched_us && told->strength == flash->strength &&
            told->beat_in_bar == flash->beat_in_bar) {
            return true;
        }
    }
    return false;
}

void judge_fire(judge *on)
{
    k1link_flash flash;

    for (bool more = true; more;) {
        const k1link_stats was = k1link_get_stats(&on->node);
        more = k1link_fire(&on->node, on->now_us, &flash);
        const k1link_stats is = k1link_get_stats(&on->node);
        const uint32_t ends = was.queued - (uint32_t)is.queued;
        REQUIRE(is.fired + is.late + is.missed + is.cancelled == was.fired + was.late + was.missed + was.cancelled + ends);
        REQUIRE(is.fired + is.late == was.fired + was.late + more);
        on->ends += ends;
        if (!more) {
            continue;
        }
        const uint64_t late_us = flash.t_latch_us - flash.t_sched_us;
        REQUIRE(flash.t_latch_us == on->now_us + on->who.led_tx_us && late_us <= 10000);
        REQUIRE(is.late == was.late + (late_us > 2000));
        REQUIRE(was_told(on, &flash));
        REQUIRE(!on->has_latched || flash.t_latch_us - on->last_latch_us >= on->refractory_us);
        on->has_latched = true;
        on->last_latch_us = flash.t_latch_us;
        judged.flashes++;
    }
    const uint64_t due_us = k1link_next_due(&on->node, on->now_us);
    REQUIRE(k1link_get_stats(&on->node).queued == 0 || due_us != K1LINK_NEVER);
}

static uint64_t on_wire(const judge *on, uint64_t time_us)
{
    return on->who.clock_bits == 32 ? (uint32_t)time_us : time_us;
}

static void judge_answer(judge *on, const wire_frame *frame)
{
    const awaited answer = on->awaited[0];

    on->awaited_count--;
    memmove(on->awaited, on->awaited + 1, sizeof on->awaited - sizeof on->awaited[0]);
    REQUIRE(frame->type == answer.type);
    if (frame->type == PONG) {
        REQUIRE(memcmp(frame->payload, answer.echo, 12) == 0);
        REQUIRE(wire_get(frame->payload + 12, 8) == on_wire(on, answer.t2_us));
        REQUIRE(wire_get(frame->payload + 20, 8) == on_wire(on, on->now_us));
    } else if (frame->type == HELLO_ACK) {
        REQUIRE(memcmp(frame->payload + 2, answer.echo, 4) == 0);
    } else if (frame->type == ACK) {
        REQUIRE(memcmp(frame->payload, answer.echo, 3) == 0);
    } else {
        const k1link_stats is = k1link_get_stats(&on->node);
        REQUIRE(wire_get(frame->payload + 8, 4) == is.frames_in && wire_get(frame->payload + 20, 4) == is.refused);
        REQUIRE(wire_get(frame->payload + 36, 4) == is.cancelled && frame->payload[40] == is.queued && is.queued <= K1LINK_QUEUE_DEPTH);
    }
}

static void judge_reports(judge *on, const wire_frame *frame)
{
    for (unsigned i = 0; i < frame->payload[0]; i++) {
        const uint8_t *report = frame->payload + 1 + 21 * i;
        const uint64_t sched_us = wire_get(report + 4, 8), fired_us = wire_get(report + 12, 8);
        if (report[20] <= 1) {
            const uint64_t late_us = on_wire(on, fired_us - sched_us);
            REQUIRE(late_us <= 10000 && (late_us > 2000) == (report[20] == 1));
        } else {
            REQUIRE(fired_us == 0);
        }
    }
    on->reports += frame->payload[0];
    REQUIRE(on->reports <= 3 * on->ends);
}

void judge_send(judge *on, size_t capacity)
{
    uint8_t out[K1LINK_MAX_WIRE];
    wire_frame frame;
    const size_t length = k1link_send(&on->node, out, capacity, on->now_us);

    REQUIRE(length <= capacity && (length == 0 || capacity >= K1LINK_MAX_WIRE));
    if (length == 0) {
        REQUIRE(capacity < K1LINK_MAX_WIRE || on->awaited_count == 0);
        return;
    }
    judged.sent++;
    if (out[0] == '{') {
        REQUIRE(out[length - 1] == '\n' && memchr(out, 0, length) == NULL && memcmp(out + length - 3, "}}\n", 3) * memcmp(out + length - 3, "e}\n", 3) == 0);
        return;
    }
    REQUIRE(length >= 12 && out[0] == 0 && out[length - 1] == 0 && memchr(out + 1, 0, length - 2) == NULL);
    REQUIRE(wire_read(out + 1, length - 2, &frame) && wire_understood(&frame));
    REQUIRE(frame.session == on->session && frame.seq == on->seq);
    on->seq++;
    if (on->awaited_count > 0) {
        judge_answer(on, &frame);
    } else if (frame.type == FIRED) {
        judge_reports(on, &frame);
    } else if (frame.type == HELLO_ACK) {
        REQUIRE(on->announce && on->session == 0 && wire_get(frame.payload + 2, 4) == 0 && ++on->announced <= 4);
    } else {
        REQUIRE(frame.type == LOG && on->session != 0);
    }
}
