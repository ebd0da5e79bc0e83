/* A pty as a node's plug, and the delay of a cable. Owned by the one thread there is.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WIRE_H
#define WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NEVER_NS INT64_MAX
#define BURST_BYTES 256u
#define BURSTS 256u /* under way at once; 64 kB, more than anybody writes in the longest delay */

typedef struct {
    int64_t due_ns;
    size_t length;
    uint8_t bytes[BURST_BYTES];
} burst;

/* Bursts of bytes that arrive later, in order, each after a random delay; some of them never. */
typedef struct {
    double delay_ns[2]; /* shortest, longest */
    double loss;        /* share that vanishes */
    uint64_t *random;   /* state of the generator, shared by both ways */
    unsigned first, count;
    burst bursts[BURSTS];
} delay_line;

/* Send a burst off at `now_ns`, at most BURST_BYTES. What finds no room is lost, as in a full FIFO. */
void delay_put(delay_line *line, const uint8_t *bytes, size_t length, int64_t now_ns, bool may_lose);

/* The oldest burst if it has arrived by `now_ns`, else NULL; it stays valid until the next delay_put. */
const burst *delay_take(delay_line *line, int64_t now_ns);

/* When the next burst arrives; NEVER_NS. */
int64_t delay_next(const delay_line *line);

typedef struct {
    int master, slave; /* the host's end is held open too, so that a host may come and go */
    const char *link;  /* the symlink, or NULL */
    char path[64];     /* of the host's end */
} plug;

/* Open a raw pty and point the symlink at it; false, and why is on stderr. */
bool plug_open(plug *made, const char *link);
void plug_close(plug *made);

/* The path to tell people: the symlink where there is one. */
const char *plug_path(const plug *made);

#endif
