/* The library and the golden vectors: each frame whole, byte by byte, after noise and before other bytes; each exchange answered to the byte.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "check.h"
#include "talk.h"
#include "vectors.h"

#include "vectors_exchanges.inc"
#include "vectors_frames.inc"

#define NOISE "ESP-ROM:esp32s3-20210327\r\nGuru Meditation Error: Core 0 panic'ed\r\n"

static void receive(k1link *node, const char *bytes, size_t length, size_t step, uint64_t now_us)
{
    for (size_t at = 0; at < length; at += step) {
        k1link_receive(node, (const uint8_t *)bytes + at, length - at < step ? length - at : step, now_us);
    }
}

/* A node in the vector's session, at its time, which has sent what it had to say. */
static void meet(talk *with, const frame_vector *vector)
{
    uint8_t out[K1LINK_MAX_WIRE];

    talk_start(with);
    with->now_us = vector->node_us;
    with->session = vector->session;
    CHECK(k1link_init(&with->node, &talk_who, with->now_us, false) == K1LINK_OK);
    if ((uint8_t)vector->wire[2] != HELLO) {
        talk_hello(with, 99);
    }
    k1link_start(&with->node, with->now_us); /* a session 0 leaves it in ASCII, where noise is a console's */
    while (k1link_send(&with->node, out, sizeof out, with->now_us) > 0) {
    }
}

static void frame_in(const frame_vector *vector, const char *before, size_t step, bool ping_after)
{
    talk with;
    meet(&with, vector);
    const k1link_stats was = k1link_get_stats(&with.node);
    const uint32_t noise = (uint32_t)strlen(before);

    receive(&with.node, before, noise, step, with.now_us);
    receive(&with.node, vector->wire, vector->length, step, with.now_us);
    const k1link_stats is = k1link_get_stats(&with.node);
    CHECK(is.frames_in - was.frames_in == vector->frames);
    CHECK(is.bad_frames - was.bad_frames == vector->bad_frames + (noise > 0));
    CHECK(is.garbage_bytes - was.garbage_bytes == vector->garbage_bytes + noise);
    CHECK(is.refused - was.refused == vector->frames - vector->taken);
    CHECK(vector->taken || (is.queued == was.queued && is.cancelled == was.cancelled));
    CHECK(talk_hear(&with) == vector->answered);
    if (ping_after) {
        talk_ping(&with, 1);
        CHECK(k1link_get_stats(&with.node).frames_in == is.frames_in + 1);
    } else {
        receive(&with.node, NOISE, sizeof NOISE - 1, step, with.now_us);
        CHECK(k1link_get_stats(&with.node).frames_in == is.frames_in);
    }
}

void test_frames(void)
{
    for (size_t i = 0; i < sizeof FRAMES / sizeof FRAMES[0]; i++) {
        check_about = FRAMES[i].name;
        for (unsigned way = 0; way < 8; way++) {
            frame_in(&FRAMES[i], way & 1 ? NOISE : "", way & 2 ? 1 : 1000, (way & 4) != 0);
        }
    }
    check_about = "";
}

static void step_in(k1link *node, const step_vector *step, size_t chunk)
{
    uint8_t out[64 * K1LINK_MAX_WIRE];
    size_t length, sent = 0, flashes = 0;
    k1link_flash flash;

    receive(node, step->in, step->in_length, chunk, step->at_us);
    if (step->log != NULL) {
        k1link_log(node, step->log_level, step->log);
    }
    while (k1link_fire(node, step->at_us, &flash)) {
        const k1link_flash *due = &step->flashes[flashes % 3];
        CHECK(flashes < step->flash_count && flash.id == due->id && flash.t_sched_us == due->t_sched_us);
        CHECK(flash.t_latch_us == due->t_latch_us && flash.strength == due->strength && flash.beat_in_bar == due->beat_in_bar);
        flashes++;
    }
    CHECK(flashes == step->flash_count);
    while (sent + K1LINK_MAX_WIRE <= sizeof out && (length = k1link_send(node, out + sent, K1LINK_MAX_WIRE, step->at_us)) > 0) {
        sent += length;
    }
    CHECK(sent == step->out_length && memcmp(out, step->out, sent) == 0);
}

void test_exchanges(void)
{
    static const size_t chunks[] = {1, 7, 10000};
    for (size_t i = 0; i < 3 * sizeof EXCHANGES / sizeof EXCHANGES[0]; i++) {
        const exchange_vector *exchange = &EXCHANGES[i / 3];
        k1link node;
        check_about = exchange->name;
        CHECK(k1link_init(&node, &exchange->who, exchange->started_us, exchange->announce) == K1LINK_OK);
        for (size_t j = 0; j < exchange->step_count; j++) {
            step_in(&node, &exchange->steps[j], chunks[i % 3]);
        }
    }
    check_about = "";
}
