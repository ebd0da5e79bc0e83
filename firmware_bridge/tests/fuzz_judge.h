/* What PROTOCOL.md lets a node do with what it is given, apart from the library and from the order within its queue: the fuzzer hands bytes and
 * calls through here, and whatever the library then says or counts wrongly ends the program.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FUZZ_JUDGE_H
#define FUZZ_JUDGE_H

#include "k1link.h"
#include "wire.h"

enum { SESSIONS_KEPT = 4, ANSWERS_KEPT = 8, TOLD_KEPT = 512 };

/* An answer that is to come. */
typedef struct {
    uint8_t type;
    uint8_t echo[12]; /* HELLO_ACK: nonce; ACK: all; PONG: n, t1 */
    uint64_t t2_us;
} awaited;

typedef struct {
    k1link node;
    k1link_identity who;
    uint64_t now_us;
    bool announce;

    uint8_t block[WIRE_MAX_BLOCK + 1]; /* under way; a longer one is counted already */
    size_t block_length;

    uint16_t session;
    uint32_t nonce, revision;
    struct { uint16_t session; uint32_t nonce; } past[SESSIONS_KEPT];
    unsigned past_next, awaited_count, told_count, announced;
    awaited awaited[ANSWERS_KEPT]; /* oldest first */
    k1link_flash told[TOLD_KEPT];  /* beats taken in this session, the newest */
    uint32_t refractory_us;
    uint64_t last_latch_us;
    bool has_latched;
    uint8_t seq;
    uint64_t reports, ends; /* told, and those that can be told, thrice each, in this session */
} judge;

/* What was judged since the program began. */
typedef struct {
    unsigned long long inputs, bytes, frames, refused, bad_frames, flashes, sent;
} judge_totals;

extern judge_totals judged;

/* Begin anew. */
void judge_start(judge *on, uint64_t now_us, uint8_t clock_bits, bool announce);

/* Hand bytes over, at most `chunk` at a time and never two ends of a block at once. */
void judge_receive(judge *on, const uint8_t *bytes, size_t length, size_t chunk);

void judge_fire(judge *on);
void judge_send(judge *on, size_t capacity);

#endif
