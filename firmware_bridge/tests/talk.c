/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "talk.h"

#include <string.h>

#include "check.h"

const k1link_identity talk_who = {{'K', '1', '-', '0', '0', '0', '4', '2'}, 7, TALK_TX_US, 160, K1LINK_RESET_POWER_ON, 64, "k1 3.2"};

void talk_start(talk *with)
{
    memset(with, 0, sizeof *with);
    with->now_us = 1000000;
    with->session = 5;
    CHECK(k1link_init(&with->node, &talk_who, with->now_us, false) == K1LINK_OK);
}

void talk_meet(talk *with)
{
    talk_start(with);
    talk_hello(with, 9);
    CHECK(talk_hear(with) && with->heard.type == HELLO_ACK && with->heard.session == 5);
    CHECK(!talk_hear(with));
}

void talk_say(talk *with, uint8_t type, const void *payload, size_t length)
{
    wire_frame frame = {type, with->seq++, with->session, length, {0}};
    uint8_t wire[WIRE_MAX];

    if (length > 0) {
        memcpy(frame.payload, payload, length);
    }
    k1link_receive(&with->node, wire, wire_make(&frame, wire), with->now_us);
}

void talk_hello(talk *with, uint32_t nonce)
{
    uint8_t payload[22] = {1, 0};
    wire_put(payload + 2, 4, nonce);
    talk_say(with, HELLO, payload, sizeof payload);
}

void talk_ping(talk *with, uint32_t n)
{
    uint8_t payload[12] = {0};
    wire_put(payload, 4, n);
    talk_say(with, PING, payload, sizeof payload);
}

void talk_config(talk *with, uint8_t brightness, uint16_t refractory_ms, uint16_t fade_ms)
{
    uint8_t payload[5] = {brightness};
    wire_put(payload + 1, 2, refractory_ms);
    wire_put(payload + 3, 2, fade_ms);
    talk_say(with, CONFIG, payload, sizeof payload);
}

void talk_blackout(talk *with, uint32_t revision)
{
    uint8_t payload[4];
    wire_put(payload, 4, revision);
    talk_say(with, BLACKOUT, payload, sizeof payload);
}

void talk_beats(talk *with, unsigned count, const uint64_t (*beats)[2])
{
    uint8_t payload[59] = {0};
    wire_put(payload, 4, ++with->revision);
    wire_put(payload + 4, 4, 500000);
    wire_put(payload + 8, 8, with->now_us + 1000000);
    payload[16] = (uint8_t)count;
    for (unsigned i = 0; i < count; i++) {
        wire_put(payload + 17 + 14 * i, 4, beats[i][0]);
        wire_put(payload + 21 + 14 * i, 8, beats[i][1]);
        payload[29 + 14 * i] = 200;
        payload[30 + 14 * i] = 1;
    }
    talk_say(with, BEATS, payload, sizeof payload);
}

bool talk_hear(talk *with)
{
    uint8_t out[K1LINK_MAX_WIRE];
    const size_t length = k1link_send(&with->node, out, sizeof out, with->now_us);

    if (length == 0) {
        return false;
    }
    const bool good = length > 2 && out[0] == 0 && out[length - 1] == 0 && wire_read(out + 1, length - 2, &with->heard);
    CHECK(good);
    CHECK(wire_understood(&with->heard) && (with->heard.type & 0x80) != 0);
    return good;
}

int talk_fate(talk *with, uint32_t id)
{
    int fate = -1;
    while (talk_hear(with)) {
        for (unsigned i = 0; with->heard.type == FIRED && i < with->heard.payload[0]; i++) {
            const uint8_t *report = with->heard.payload + 1 + 21 * i;
            if (wire_get(report, 4) == id) {
                fate = report[20];
            }
        }
    }
    return fate;
}
