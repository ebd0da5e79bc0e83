/* A fuzzer for libFuzzer. An input is a choice of node and then a list of what happens to it: time passes; bytes come, wild or in good frames of
 * wild or of sensible content; it fires; it sends. fuzz_judge says whether it does right.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz_judge.h"

enum { SOON, LATER, WILD, FRAMED, SENSIBLE, FIRE, SEND, SAY };

typedef struct {
    const uint8_t *at;
    size_t left;
} input;

static uint64_t take(input *from, unsigned size)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < size; i++, value <<= i < size ? 8 : 0) {
        value |= from->left > 0 ? *from->at : 0;
        from->at += from->left > 0;
        from->left -= from->left > 0;
    }
    return value;
}

static void say(judge *on, const wire_frame *frame, size_t chunk)
{
    uint8_t wire[WIRE_MAX];
    judge_receive(on, wire, wire_make(frame, wire), chunk);
}

/* A good frame with any payload. */
static void framed(judge *on, input *from, unsigned choice)
{
    static const uint8_t types[] = {HELLO, CONFIG, BLACKOUT, GET_STATS, BEATS, PING, HELLO_ACK, ACK};
    wire_frame frame = {types[choice & 7], (uint8_t)take(from, 1), on->session, 0, {0}};

    if (choice & 8) {
        frame.session = (uint16_t)take(from, 2);
    }
    if (choice & 16) {
        frame.type = (uint8_t)take(from, 1);
    }
    frame.length = take(from, 1) % (WIRE_MAX_PAYLOAD + 1);
    for (size_t i = 0; i < frame.length && from->left > 0; i++) {
        frame.payload[i] = (uint8_t)take(from, 1);
    }
    say(on, &frame, WIRE_MAX);
}

/* What a host would say: beats near now with few ids, revisions that mostly grow. */
static void sensible(judge *on, input *from, unsigned choice)
{
    static const uint8_t types[] = {BEATS, BEATS, BEATS, PING, HELLO, CONFIG, BLACKOUT, GET_STATS};
    static const uint8_t sizes[] = {59, 59, 59, 12, 22, 5, 4, 0};
    wire_frame frame = {types[choice & 7], (uint8_t)choice, on->session, sizes[choice & 7], {0}};

    if (frame.type == BEATS) {
        wire_put(frame.payload, 4, on->revision + (take(from, 1) & 7) - (choice >> 4));
        wire_put(frame.payload + 8, 8, on->now_us);
        frame.payload[16] = (uint8_t)((choice >> 3) & 3);
        for (unsigned i = 0; i < frame.payload[16] % 4u; i++) {
            wire_put(frame.payload + 17 + 14 * i, 4, take(from, 1) & 31);
            const uint64_t ahead = take(from, 2); /* within 33 ms, where beats stand, or anywhere from -66 ms to a second */
            wire_put(frame.payload + 21 + 14 * i, 8, on->now_us + (ahead & 1 ? ahead / 2 : ahead * 16 - 65536));
            frame.payload[29 + 14 * i] = (uint8_t)take(from, 1);
        }
    } else if (frame.type == HELLO) {
        frame.session = (uint16_t)(1 + take(from, 1) % 7);
        frame.payload[0] = 1;
        frame.payload[2] = (uint8_t)(1 + (choice >> 4));
    } else if (frame.type == CONFIG) {
        wire_put(frame.payload + 1, 2, take(from, 2));
    } else if (frame.type == BLACKOUT) {
        wire_put(frame.payload, 4, on->revision + (choice >> 3) - 1);
    } else {
        wire_put(frame.payload, 4, take(from, 4));
    }
    say(on, &frame, choice & 8 ? 1 : WIRE_MAX);
}

static void happen(judge *on, input *from, unsigned op, unsigned choice)
{
    static const char *const texts[] = {"", "warm", "{\"type\":\"device.getStatus\"}\n", "{\"type\":\"k1link.start\"}\n"};
    const char *text = texts[choice & 3];
    size_t length;

    switch (op) {
    case SOON:
        on->now_us += take(from, 2);
        break;
    case LATER:
        on->now_us += take(from, 3);
        break;
    case WILD:
        length = take(from, 1);
        length = length < from->left ? length : from->left;
        judge_receive(on, from->at, length, 1 + choice);
        from->at += length;
        from->left -= length;
        break;
    case FRAMED:
        framed(on, from, choice);
        break;
    case SENSIBLE:
        sensible(on, from, choice);
        break;
    case FIRE:
        if (choice & 1) { /* when something is due, give or take */
            const uint64_t due_us = k1link_next_due(&on->node, on->now_us);
            on->now_us = due_us != K1LINK_NEVER && due_us > on->now_us ? due_us + (choice >> 1) * 900 : on->now_us;
        }
        judge_fire(on);
        break;
    case SEND:
        judge_send(on, choice == 31 ? take(from, 1) % K1LINK_MAX_WIRE : K1LINK_MAX_WIRE);
        break;
    default:
        if (choice & 4) {
            k1link_log(&on->node, (uint8_t)choice, text);
        } else if (choice & 8) {
            k1link_start(&on->node, on->now_us);
        } else {
            judge_receive(on, (const uint8_t *)text, strlen(text), 5);
        }
    }
}

static void tell_totals(void)
{
    printf("{\"bench\": \"fuzz\", \"figure\": \"inputs\", \"value\": %llu, \"bytes\": %llu, \"frames\": %llu, \"refused\": %llu, \"bad_frames\": %llu, "
           "\"flashes\": %llu, \"sent\": %llu}\n", judged.inputs, judged.bytes, judged.frames, judged.refused, judged.bad_frames,
           judged.flashes, judged.sent);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint64_t starts_us[] = {1000, ((uint64_t)1 << 32) - 1000000, ((uint64_t)1 << 40) - 1000000, ((uint64_t)1 << 62)};
    static judge on;
    input from = {data, size};
    const unsigned node = (unsigned)take(&from, 1);

    if (judged.inputs++ == 0) {
        (void)atexit(tell_totals);
    }
    judge_start(&on, starts_us[node & 3], node & 4 ? 32 : 64, (node & 8) != 0);
    while (from.left > 0) {
        const unsigned op = (unsigned)take(&from, 1);
        happen(&on, &from, op & 7, op >> 3);
    }
    judge_fire(&on);
    for (unsigned i = 0; i < 40; i++) {
        judge_send(&on, K1LINK_MAX_WIRE);
    }
    return 0;
}
