/* How a talk begins and ends: the two ASCII lines, the way to frames and back, announcements, sessions.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "check.h"
#include "talk.h"

#define ASK "{\"type\":\"device.getStatus\"}\n"
#define START "{\"type\":\"k1link.start\"}\n"
#define STARTED "{\"type\":\"k1link.start\",\"success\":true}\n"
#define STATUS "{\"type\":\"device.getStatus\",\"success\":true,\"data\":{\"k1link\":1,\"version\":\"k1 3.2\"}}\n"

static void text_in(talk *with, const char *text, size_t step)
{
    const size_t length = strlen(text);
    for (size_t at = 0; at < length; at += step) {
        k1link_receive(&with->node, (const uint8_t *)text + at, length - at < step ? length - at : step, with->now_us);
    }
}

/* The next line of the node is `expected`; "" = it says nothing. */
static bool answers(talk *with, const char *expected)
{
    uint8_t out[K1LINK_MAX_WIRE];
    const size_t length = k1link_send(&with->node, out, sizeof out, with->now_us);
    return length == strlen(expected) && memcmp(out, expected, length) == 0;
}

static void asked_and_started(size_t step)
{
    talk with;
    talk_start(&with);
    CHECK(!k1link_is_binary(&with.node) && k1link_is_idle(&with.node, with.now_us));
    text_in(&with, ASK, step);
    CHECK(k1link_next_due(&with.node, with.now_us) <= with.now_us);
    CHECK(answers(&with, STATUS) && answers(&with, "") && !k1link_is_binary(&with.node));
    text_in(&with, START, step);
    CHECK(k1link_is_binary(&with.node) && answers(&with, STARTED) && answers(&with, ""));
    text_in(&with, "after the newline all is binary", step);
    talk_hello(&with, 9);
    CHECK(talk_hear(&with) && with.heard.type == HELLO_ACK);
    const k1link_stats stats = k1link_get_stats(&with.node);
    CHECK(stats.garbage_bytes == 31 && stats.bad_frames == 1 && stats.frames_in == 1);
}

static void other_lines_are_left_alone(void)
{
    static const char *const lines[] = {"\n", "{}\n", "{\"type\":\"device.getStatus\"\n", "{\"type\":\"device.getStatusX\"}\n", "{\"type\":\"k1link.star\"}\n",
                                        "{\"type\":\"device.getStatus\"}x\n", "{\"type\":\"k1link.start\"}{\"type\":\"k1link.start\"}\n", "s", " ", "{{\n"};
    talk with;
    talk_start(&with);
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        text_in(&with, lines[i], 1000);
        CHECK(answers(&with, "") && !k1link_is_binary(&with.node));
    }
    for (unsigned i = 0; i < 3000; i++) {
        text_in(&with, "{\"type\":\"device.getStatus\"}", 1000); /* a line without an end */
    }
    text_in(&with, "\n" ASK, 1000);
    CHECK(answers(&with, STATUS) && answers(&with, ""));
    CHECK(k1link_get_stats(&with.node).garbage_bytes == 0);
    text_in(&with, "boot text {\"type\":\"device.getStatus\"}\r\n", 1000);
    text_in(&with, "{ \"type\": \"k1link.start\" }\n", 1000); /* the same as JSON */
    CHECK(answers(&with, STATUS) && answers(&with, STARTED) && k1link_is_binary(&with.node));
}

static void odd_names_stay_one_line_of_json(void)
{
    k1link_identity who = talk_who;
    talk with;
    talk_start(&with);
    who.firmware = "a\"b\\c\nd \xc3\xa9 and much too long for it";
    CHECK(k1link_init(&with.node, &who, with.now_us, false) == K1LINK_OK);
    text_in(&with, ASK, 1000);
    CHECK(answers(&with, "{\"type\":\"device.getStatus\",\"success\":true,\"data\":{\"k1link\":1,\"version\":\"a?b?c?d ?? and much too \"}}\n"));
    talk_hello(&with, 9);
    CHECK(talk_hear(&with) && memcmp(with.heard.payload + 39, "a\"b\\c\nd \xc3\xa9 and much too ", 24) == 0);
    who.firmware = "twenty-three bytes, and\xc3\xa9";
    talk_hello(&with, 9);
    CHECK(talk_hear(&with) && memcmp(with.heard.payload + 39, "twenty-three bytes, and\0", 24) == 0); /* no half a character */
}

/* 1.5 s after the last valid frame, or the change to frames, but not while a beat waits. */
static void the_way_back(void)
{
    talk with;
    talk_meet(&with);
    with.now_us += 1499999;
    text_in(&with, ASK, 1000);
    CHECK(answers(&with, "") && !k1link_is_idle(&with.node, with.now_us));
    with.now_us += 1;
    CHECK(k1link_is_idle(&with.node, with.now_us));
    text_in(&with, ASK, 1000);
    CHECK(answers(&with, STATUS) && !k1link_is_binary(&with.node));
    talk_ping(&with, 1); /* the session was kept: its next 00 leads back */
    CHECK(k1link_is_binary(&with.node) && talk_hear(&with) && with.heard.type == PONG && with.heard.session == 5);
    talk_beats(&with, 1, (const uint64_t[][2]){{1, with.now_us + 2000000}});
    with.now_us += 1900000;
    text_in(&with, ASK, 1000);
    CHECK(answers(&with, "") && k1link_is_binary(&with.node) && !k1link_is_idle(&with.node, with.now_us));
    with.now_us += 3000000;
    k1link_start(&with.node, with.now_us);
    with.now_us += 1499999;
    k1link_flash flash;
    CHECK(!k1link_fire(&with.node, with.now_us, &flash) && k1link_is_idle(&with.node, with.now_us));
    text_in(&with, ASK, 1000);
    CHECK(k1link_is_binary(&with.node));
    with.now_us += 1;
    text_in(&with, ASK, 1000);
    CHECK(!k1link_is_binary(&with.node));
}

void test_ascii(void)
{
    check_about = "ascii";
    asked_and_started(1);
    asked_and_started(5);
    asked_and_started(1000);
    other_lines_are_left_alone();
    odd_names_stay_one_line_of_json();
    the_way_back();
    check_about = "";
}

static void announced_while_nobody_comes(void)
{
    talk with;
    unsigned count = 0;
    talk_start(&with);
    CHECK(k1link_init(&with.node, &talk_who, with.now_us, true) == K1LINK_OK);
    for (uint64_t due; (due = k1link_next_due(&with.node, with.now_us)) != K1LINK_NEVER; count++) {
        CHECK(due == 1000000 + 500000 * count);
        with.now_us = due;
        CHECK(talk_hear(&with) && with.heard.type == HELLO_ACK && with.heard.session == 0 && wire_get(with.heard.payload + 2, 4) == 0);
        CHECK(wire_get(with.heard.payload + 10, 8) == 500000 * count && !talk_hear(&with));
    }
    CHECK(count == 4);
    CHECK(k1link_init(&with.node, &talk_who, with.now_us, true) == K1LINK_OK);
    with.now_us += 1200000;
    CHECK(talk_hear(&with) && !talk_hear(&with)); /* slept through two: they are not made up for */
    talk_hello(&with, 3);
    CHECK(talk_hear(&with) && wire_get(with.heard.payload + 2, 4) == 3);
    with.now_us += 10000000;
    CHECK(!talk_hear(&with) && k1link_next_due(&with.node, with.now_us) == K1LINK_NEVER);
}

static void old_sessions_stay_old(void)
{
    talk with;
    talk_start(&with);
    for (uint16_t session = 1; session <= 5; session++) {
        with.session = session;
        talk_hello(&with, session);
        CHECK(talk_hear(&with) && with.heard.session == session);
    }
    for (uint16_t session = 1; session <= 4; session++) {
        with.session = session;
        talk_hello(&with, session);
        CHECK(!talk_hear(&with));
    }
    with.session = 65535;
    talk_hello(&with, 1);
    with.session = 1;
    talk_hello(&with, 1); /* five sessions ago: forgotten, and so a new one */
    CHECK(talk_hear(&with) && with.heard.session == 1 && !talk_hear(&with));
    with.session = 0;
    talk_hello(&with, 77);
    talk_ping(&with, 1);
    CHECK(!talk_hear(&with));
}

static void config_outlives_the_session(void)
{
    talk with;
    talk_meet(&with);
    k1link_style style = k1link_get_style(&with.node);
    CHECK(style.brightness == 255 && style.fade_ms == 65535 && style.period_us == 0);
    talk_config(&with, 10, 300, 400);
    talk_config(&with, 255, 65535, 500);
    talk_beats(&with, 0, NULL);
    style = k1link_get_style(&with.node);
    CHECK(style.brightness == 10 && style.fade_ms == 500 && style.period_us == 500000);
    talk_config(&with, 20, 1001, 600); /* refused whole */
    talk_hello(&with, 10);
    style = k1link_get_style(&with.node);
    CHECK(style.brightness == 10 && style.fade_ms == 500 && style.period_us == 0);
    with.revision = 0;
    talk_beats(&with, 2, (const uint64_t[][2]){{1, 2000000}, {2, 2299999}});
    k1link_flash flash;
    CHECK(k1link_fire(&with.node, 1995000, &flash) && !k1link_fire(&with.node, 2294999, &flash));
}

static void seq_counts_all_frames_and_wraps(void)
{
    talk with;
    talk_meet(&with);
    for (unsigned i = 1; i < 600; i++) {
        if (i % 100 == 0) {
            talk_hello(&with, i);
        } else {
            talk_ping(&with, i);
        }
        CHECK(talk_hear(&with) && with.heard.seq == (uint8_t)i);
    }
}

void test_session(void)
{
    check_about = "session";
    announced_while_nobody_comes();
    old_sessions_stay_old();
    config_outlives_the_session();
    seq_counts_all_frames_and_wraps();
    check_about = "";
}
