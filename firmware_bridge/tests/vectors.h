/* What the generated tables are made of. SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef VECTORS_H
#define VECTORS_H

#include "k1link.h"

typedef struct {
    const char *name, *wire;
    size_t length;
    uint16_t session;
    uint64_t node_us;
    uint32_t frames, bad_frames, garbage_bytes;
    bool taken, answered; /* by a node in this session at node_us */
} frame_vector;

typedef struct {
    uint64_t at_us;
    const char *in;
    size_t in_length;
    const char *out; /* all frames in a row */
    size_t out_length, flash_count;
    k1link_flash flashes[3];
    uint8_t log_level;
    const char *log; /* NULL = nothing is said */
} step_vector;

typedef struct {
    const char *name;
    k1link_identity who;
    uint64_t started_us;
    bool announce;
    const step_vector *steps;
    size_t step_count;
} exchange_vector;

#endif
