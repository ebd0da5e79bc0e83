/* What the queue promises beyond the golden exchanges: moves, freezing, order, ids that ended, revisions around the wrap; and the reports.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "check.h"
#include "talk.h"

static uint8_t queued(const talk *with)
{
    return k1link_get_stats(&with->node).queued;
}

static uint32_t ends(const talk *with)
{
    const k1link_stats stats = k1link_get_stats(&with->node);
    return stats.fired + stats.late + stats.missed + stats.cancelled;
}

/* Fire at `now_us`; the id that flashed, 0 for none. */
static uint32_t fire(talk *with, uint64_t now_us)
{
    k1link_flash flash = {0, 0, 0, 0, 0};
    with->now_us = now_us;
    return k1link_fire(&with->node, now_us, &flash) ? flash.id : 0;
}

static void frozen_to_the_microsecond(void)
{
    for (uint64_t before = 29999; before <= 30000; before++) {
        talk with;
        talk_meet(&with);
        talk_beats(&with, 1, (const uint64_t[][2]){{1, 2000000}});
        with.now_us = 2000000 - before;
        talk_beats(&with, 1, (const uint64_t[][2]){{1, 2100000}});
        CHECK(k1link_next_due(&with.node, with.now_us) == (before == 30000 ? 2100000 : 2000000) - TALK_TX_US);
        with.now_us = 2100000 - before;
        talk_beats(&with, 0, NULL);
        CHECK(queued(&with) == (before == 30000 ? 0 : 1));
    }
}

static void late_to_the_microsecond(void)
{
    static const struct { uint64_t late_us; int fate; } cases[] = {{0, 0}, {2000, 0}, {2001, 1}, {10000, 1}, {10001, 2}, {5000000, 2}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        talk with;
        talk_meet(&with);
        talk_beats(&with, 1, (const uint64_t[][2]){{7, 2000000}});
        CHECK(fire(&with, 2000000 - TALK_TX_US - 1) == 0);
        CHECK(fire(&with, 2000000 - TALK_TX_US + cases[i].late_us) == (cases[i].fate == 2 ? 0 : 7));
        CHECK(talk_fate(&with, 7) == cases[i].fate);
        CHECK(queued(&with) == 0 && ends(&with) == 1);
    }
}

static void an_id_ends_once(void)
{
    talk with;
    talk_meet(&with);
    for (uint64_t id = 1; id <= 17; id++) {
        talk_beats(&with, 1, (const uint64_t[][2]){{id, with.now_us + 1000000}});
        talk_beats(&with, 0, NULL);
    }
    CHECK(ends(&with) == 17);
    talk_beats(&with, 3, (const uint64_t[][2]){{2, with.now_us + 1000000}, {17, with.now_us + 1000000}, {1, with.now_us + 1500000}});
    CHECK(queued(&with) == 1); /* 16 ids are kept: only the first of them is free again */
    CHECK(k1link_next_due(&with.node, with.now_us) <= with.now_us); /* ends wait to be told */
    talk_hello(&with, 10);
    CHECK(queued(&with) == 0 && ends(&with) == 18);
    with.revision = 0;
    talk_beats(&with, 1, (const uint64_t[][2]){{2, with.now_us + 1000000}});
    CHECK(queued(&with) == 1);
}

static void newest_revision_wins(void)
{
    talk with;
    const uint64_t beat[][2] = {{1, 2000000}};
    talk_meet(&with);
    static const struct { uint32_t revision; bool taken; } cases[] = {
        {0, false}, {0x80000000u, false}, {1, true}, {1, false}, {0x80000000u, true}, {1, false}, {0xFFFFFFFFu, true}, {0x80000000u, false}, {0, true},
        {0xFFFFFFFFu, false}, {0x7FFFFFFFu, true}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const uint32_t refused = k1link_get_stats(&with.node).refused;
        with.revision = cases[i].revision - 1;
        talk_beats(&with, 1, beat);
        CHECK(k1link_get_stats(&with.node).refused == refused + !cases[i].taken);
    }
    talk_blackout(&with, 0x7FFFFFFEu);
    CHECK(talk_hear(&with) && with.heard.payload[2] == 2 && queued(&with) == 1);
    CHECK(k1link_get_style(&with.node).period_us == 500000);
    talk_blackout(&with, 0x7FFFFFFFu);
    CHECK(talk_hear(&with) && with.heard.payload[2] == 0 && queued(&with) == 0);
    CHECK(k1link_get_style(&with.node).period_us == 0);
}

static void moved_beats_flash_in_their_new_order(void)
{
    talk with;
    talk_meet(&with);
    talk_config(&with, 255, 0, 65535);
    talk_beats(&with, 3, (const uint64_t[][2]){{1, 2000000}, {2, 2000001}, {3, 2000002}});
    talk_beats(&with, 3, (const uint64_t[][2]){{1, 2000003}, {2, 2000001}, {3, 2000001}});
    CHECK(fire(&with, 1995003) == 2);
    CHECK(fire(&with, 1995003) == 3);
    CHECK(fire(&with, 1995003) == 1);
    CHECK(fire(&with, 1995003) == 0);
}

static void what_was_missed_does_not_hold_up_the_next(void)
{
    talk with;
    talk_meet(&with);
    talk_beats(&with, 3, (const uint64_t[][2]){{1, 2000000}, {2, 2005000}, {3, 2020000}});
    CHECK(fire(&with, 2007000) == 2);
    CHECK(talk_fate(&with, 1) == 2);
    CHECK(fire(&with, 2015000) == 0);
    CHECK(talk_fate(&with, 3) == 12);
}

void test_queue(void)
{
    check_about = "queue";
    frozen_to_the_microsecond();
    late_to_the_microsecond();
    an_id_ends_once();
    newest_revision_wins();
    moved_beats_flash_in_their_new_order();
    what_was_missed_does_not_hold_up_the_next();
    check_about = "";
}

/* Each end in three frames, 120 ms apart when nothing new comes, and k1link_next_due says when. */
static void told_three_times(void)
{
    talk with;
    unsigned told = 0;
    talk_meet(&with);
    CHECK(k1link_next_due(&with.node, with.now_us) == K1LINK_NEVER);
    talk_beats(&with, 2, (const uint64_t[][2]){{1, 2000000}, {2, 3000000}});
    talk_blackout(&with, with.revision);
    const uint64_t began_us = with.now_us;
    for (uint64_t due; (due = k1link_next_due(&with.node, with.now_us)) != K1LINK_NEVER;) {
        with.now_us = due > with.now_us ? due : with.now_us;
        CHECK(talk_hear(&with));
        if (with.heard.type == FIRED) {
            CHECK(with.heard.payload[0] == 2 && with.now_us == began_us + 120000 * told++);
        }
    }
    CHECK(told == 3 && !talk_hear(&with));
}

/* 24 wait at most; those told least often go out first. */
static void newer_ends_push_out_older_ones(void)
{
    talk with;
    unsigned slots = 0;
    talk_meet(&with);
    for (uint64_t id = 1; id <= 30; id += 3) {
        talk_beats(&with, 3, (const uint64_t[][2]){{id, 2000000}, {id + 1, 2000000}, {id + 2, 2000000}});
        talk_beats(&with, 0, NULL);
    }
    for (uint64_t first = 7; first <= 30; first += 3, slots += 3) {
        CHECK(talk_hear(&with) && with.heard.type == FIRED && with.heard.payload[0] == 3);
        CHECK(wire_get(with.heard.payload + 1, 4) == first);
    }
    CHECK(slots == 24 && !talk_hear(&with));
}

void test_reports(void)
{
    check_about = "reports";
    told_three_times();
    newer_ends_push_out_older_ones();
    check_about = "";
}
