/* Arguments at their edges, a full output, clocks that wrap or fall, and text for people.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "check.h"
#include "talk.h"

static void bad_arguments_change_nothing(void)
{
    k1link node, before;
    k1link_identity who = talk_who;
    memset(&node, 0xA5, sizeof node);
    before = node;
    CHECK(k1link_init(NULL, &who, 0, true) == K1LINK_BAD_ARGUMENT);
    CHECK(k1link_init(&node, NULL, 0, true) == K1LINK_BAD_ARGUMENT);
    who.led_tx_us = 1000000;
    CHECK(k1link_init(&node, &who, 0, true) == K1LINK_BAD_ARGUMENT);
    who.led_tx_us = 999999;
    for (unsigned bits = 0; bits < 256; bits++) {
        who.clock_bits = (uint8_t)bits;
        if (bits != 32 && bits != 64) {
            CHECK(k1link_init(&node, &who, 0, true) == K1LINK_BAD_ARGUMENT);
        }
    }
    who.clock_bits = 64;
    who.firmware = NULL;
    CHECK(k1link_init(&node, &who, 0, true) == K1LINK_BAD_ARGUMENT);
    CHECK(memcmp(&node, &before, sizeof node) == 0);
    who.firmware = "";
    CHECK(k1link_init(&node, &who, 0, true) == K1LINK_OK);
    k1link_receive(&node, NULL, 0, 0);
    CHECK(k1link_get_stats(&node).garbage_bytes == 0);
}

/* Below K1LINK_MAX_WIRE nothing is written and nothing is lost. */
static void capacity(void)
{
    talk with;
    uint8_t out[K1LINK_MAX_WIRE + 8];
    talk_meet(&with);
    talk_beats(&with, 1, (const uint64_t[][2]){{1, 2000000}});
    talk_blackout(&with, 1);
    k1link_log(&with.node, 6, "text");
    memset(out, 0xA5, sizeof out);
    for (size_t size = 0; size < K1LINK_MAX_WIRE; size++) {
        CHECK(k1link_send(&with.node, out, size, with.now_us) == 0);
    }
    CHECK(k1link_send(&with.node, NULL, 0, with.now_us) == 0);
    for (size_t i = 0; i < sizeof out; i++) {
        CHECK(out[i] == 0xA5);
    }
    CHECK(talk_hear(&with) && with.heard.type == ACK && talk_hear(&with) && with.heard.type == FIRED && talk_hear(&with) && with.heard.type == LOG);
    char text[200];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    k1link_log(&with.node, 3, text);
    CHECK(k1link_send(&with.node, out, K1LINK_MAX_WIRE, with.now_us) == K1LINK_MAX_WIRE);
    for (size_t i = K1LINK_MAX_WIRE; i < sizeof out; i++) {
        CHECK(out[i] == 0xA5);
    }
}

static void the_newest_log_is_told(void)
{
    talk with;
    talk_meet(&with);
    k1link_log(&with.node, 7, "first");
    k1link_log(&with.node, 4, "second");
    CHECK(k1link_next_due(&with.node, with.now_us) <= with.now_us);
    CHECK(talk_hear(&with) && with.heard.type == LOG && with.heard.length == 7 && memcmp(with.heard.payload, "\4second", 7) == 0);
    CHECK(!talk_hear(&with));
    k1link_log(&with.node, 0, "");
    CHECK(talk_hear(&with) && with.heard.length == 1 && !talk_hear(&with));
    talk_start(&with);
    k1link_log(&with.node, 4, "nobody reads this yet");
    CHECK(!talk_hear(&with) && k1link_next_due(&with.node, with.now_us) == K1LINK_NEVER);
    talk_hello(&with, 9);
    CHECK(talk_hear(&with) && with.heard.type == HELLO_ACK && talk_hear(&with) && with.heard.type == LOG);
}

static void counters_of_32_bits_are_extended(void)
{
    CHECK(k1link_extend(5, 0) == 5);
    CHECK(k1link_extend(0xFFFFFFFFu, 0) == 0xFFFFFFFFu); /* never below 0 */
    CHECK(k1link_extend(0xFFFFFFFFu, 0x100000000u) == 0xFFFFFFFFu);
    CHECK(k1link_extend(3, 0xFFFFFFFFu) == 0x100000003u);
    CHECK(k1link_extend(0x7FFFFFFFu, 0x500000000u) == 0x57FFFFFFFu);
    CHECK(k1link_extend(0x80000000u, 0x500000000u) == 0x480000000u);
    CHECK(k1link_extend(0, 0x80000000u) == 0);
    CHECK(k1link_extend(0x80000001u, 0x500000000u) == 0x480000001u);
    for (uint64_t now = 0, step = 0; step < 40; step++, now += 2000000000u) {
        CHECK(k1link_extend((uint32_t)(now + 2000000000u), now) == now + 2000000000u);
    }
}

/* A ping is stamped when it came and when its answer leaves, across the wrap of a 32-bit counter. */
static void stamps_across_the_wrap(void)
{
    k1link_identity who = talk_who;
    talk with;
    talk_start(&with);
    who.clock_bits = 32;
    with.now_us = 0xFFFFFF00u;
    CHECK(k1link_init(&with.node, &who, 0xFFFF0000u, false) == K1LINK_OK);
    talk_hello(&with, 9);
    CHECK(talk_hear(&with) && wire_get(with.heard.payload + 10, 8) == 0xFF00 && wire_get(with.heard.payload + 35, 4) == 1);
    talk_ping(&with, 1);
    with.now_us += 0x200;
    CHECK(talk_hear(&with) && wire_get(with.heard.payload + 12, 8) == 0xFFFFFF00u && wire_get(with.heard.payload + 20, 8) == 0x100);
    talk_beats(&with, 1, (const uint64_t[][2]){{1, 0x10100}});
    CHECK(k1link_next_due(&with.node, with.now_us) == 0x100010100u - TALK_TX_US);
}

/* A clock that falls is the caller's fault and spoils the timing only. */
static void a_falling_clock_harms_nothing(void)
{
    talk with;
    k1link_flash flash;
    talk_meet(&with);
    talk_beats(&with, 2, (const uint64_t[][2]){{1, 2000000}, {2, 3000000}});
    CHECK(k1link_fire(&with.node, 1995000, &flash) && talk_fate(&with, 1) == 0);
    with.now_us = 10;
    talk_ping(&with, 1);
    CHECK(talk_hear(&with) && with.heard.type == PONG);
    CHECK(!k1link_fire(&with.node, with.now_us, &flash) && !k1link_is_idle(&with.node, with.now_us));
    with.now_us = 3000000;
    CHECK(k1link_fire(&with.node, 2995000, &flash) && talk_fate(&with, 2) == 0);
}

void test_limits(void)
{
    check_about = "limits";
    bad_arguments_change_nothing();
    capacity();
    the_newest_log_is_told();
    counters_of_32_bits_are_extended();
    stamps_across_the_wrap();
    a_falling_clock_harms_nothing();
    check_about = "";
}
