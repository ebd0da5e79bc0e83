/* A host for one node under test, in the node's own time: it says frames and hears the answers, by the tests' own framing.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TALK_H
#define TALK_H

#include "k1link.h"
#include "wire.h"

enum { TALK_TX_US = 5000 };

typedef struct {
    k1link node;
    uint64_t now_us;
    uint16_t session;
    uint8_t seq;
    uint32_t revision;
    wire_frame heard; /* the newest frame of the node */
} talk;

extern const k1link_identity talk_who;

/* A node that started at 1 s, silent. */
void talk_start(talk *with);

/* The same after HELLO with nonce 9 in session 5, answered. */
void talk_meet(talk *with);

void talk_say(talk *with, uint8_t type, const void *payload, size_t length);
void talk_hello(talk *with, uint32_t nonce);
void talk_ping(talk *with, uint32_t n);
void talk_config(talk *with, uint8_t brightness, uint16_t refractory_ms, uint16_t fade_ms);
void talk_blackout(talk *with, uint32_t revision);

/* A BEATS with the next revision; each beat id, t_node_us. */
void talk_beats(talk *with, unsigned count, const uint64_t (*beats)[2]);

/* The next frame of the node in `heard`; false where it has none to send. What is no frame fails the test. */
bool talk_hear(talk *with);

/* How the beat ended, by the FIRED frames that the node sends now; -1 where none tells. */
int talk_fate(talk *with, uint32_t id);

#endif
