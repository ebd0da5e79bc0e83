/* k1link 1.0, the node's side: beats with a due time in the node's own clock. PROTOCOL.md is the specification.
 *
 * C99, no allocation, no clock, no I/O, nothing of libc beyond memcpy, memmove, memset and strlen: bytes and time are arguments.
 * A context belongs to one task; nothing here may be called on it from two at once, or from an interrupt.
 *
 *     k1link_init(&node, &who, now);                                  once, at the start
 *     for (;;) {
 *         k1link_receive(&node, bytes, length, now);                  what the wire brought, in any chunking
 *         while (k1link_fire(&node, now, &flash)) show(&flash);       start sending to the LEDs, right now
 *         while ((n = k1link_send(&node, out, sizeof out, now)) > 0) write(out, n);
 *         sleep until bytes come or k1link_next_due(&node, now);
 *     }
 *
 * `now` is the node's free-running microsecond counter, extended to 64 bits (k1link_extend), never set, never slewed, below 2^63. Read it right
 * after the bytes came, right before `k1link_fire` and right before `k1link_send`. A `now` that falls is a fault of the caller; it harms
 * nothing but the timing.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef K1LINK_H
#define K1LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define K1LINK_MAJOR 1u
#define K1LINK_MINOR 0u
#define K1LINK_MAX_FRAME 120u   /* decoded bytes */
#define K1LINK_MAX_WIRE 123u    /* 00, 121 bytes of COBS, 00: the longest output of k1link_send */
#define K1LINK_QUEUE_DEPTH 8u   /* beats waiting */
#define K1LINK_NEVER UINT64_MAX /* of k1link_next_due */

typedef enum {
    K1LINK_OK = 0,
    K1LINK_BAD_ARGUMENT = 1 /* a null pointer or a value out of its range; nothing was changed */
} k1link_result;

typedef enum {
    K1LINK_RESET_UNKNOWN = 0,
    K1LINK_RESET_POWER_ON = 1,
    K1LINK_RESET_SOFTWARE = 2,
    K1LINK_RESET_PANIC = 3,
    K1LINK_RESET_WATCHDOG = 4,
    K1LINK_RESET_BROWN_OUT = 5,
    K1LINK_RESET_EXTERNAL = 6
} k1link_reset_reason;

/* Who the node is. Copied by nobody: it must outlive the context (a const in flash will do). */
typedef struct {
    uint8_t unique_id[8];  /* of the board */
    uint32_t boot_id;      /* must differ after every start: a counter in flash, or random */
    uint32_t led_tx_us;    /* from starting to send to the LEDs until they latch; below 1000000 */
    uint16_t led_count;
    uint8_t reset_reason;  /* k1link_reset_reason */
    uint8_t clock_bits;    /* 64; or 32, then times go over the wire as their low 32 bits */
    const char *firmware;  /* name and version for people; UTF-8, its first 24 bytes are told */
} k1link_identity;

/* Light to make now. */
typedef struct {
    uint32_t id;
    uint64_t t_sched_us;  /* when the LEDs were to latch */
    uint64_t t_latch_us;  /* when they will: now + led_tx_us */
    uint8_t strength;     /* 0 to 255 */
    uint8_t beat_in_bar;  /* 1 = downbeat, 0 = unknown */
} k1link_flash;

/* What the host asked for; see CONFIG. brightness 255 or fade_ms 65535 = as the firmware likes. */
typedef struct {
    uint8_t brightness; /* 0 to 254, full at 254 */
    uint16_t fade_ms;
    uint32_t period_us; /* beat period for effects between flashes; 0 = none */
} k1link_style;

typedef struct {
    uint32_t frames_in, bad_frames, garbage_bytes, refused, fired, late, missed, cancelled;
    uint8_t queued, queue_peak;
} k1link_stats;

typedef struct k1link k1link; /* its fields are private; defined below so that a caller can hold one */

/* Begin anew: no session, nothing queued, ASCII. `now_us` is the start of uptime_us. Four announcements follow from k1link_send, unless
 * `announce` is false (a node that starts together with its host's question). */
k1link_result k1link_init(k1link *node, const k1link_identity *who, uint64_t now_us, bool announce);

/* Take bytes that had arrived at `now_us`. Never fails: what is no frame is counted. In ASCII it answers `device.getStatus` and `k1link.start`
 * and leaves other lines alone (k1link_is_binary tells a firmware with a console of its own whose bytes these are). */
void k1link_receive(k1link *node, const uint8_t *bytes, size_t length, uint64_t now_us);

/* True, with the flash to start sending right now; false when nothing (more) is due. What came too late has ended as missed. */
bool k1link_fire(k1link *node, uint64_t now_us, k1link_flash *flash);

/* Write the next frame or line into `out`; its length, 0 when there is none. Below K1LINK_MAX_WIRE of capacity: 0, and nothing is lost. */
size_t k1link_send(k1link *node, uint8_t *out, size_t capacity, uint64_t now_us);

/* When to call k1link_fire or k1link_send next, without new bytes; `now_us` or earlier = at once; K1LINK_NEVER. */
uint64_t k1link_next_due(const k1link *node, uint64_t now_us);

/* True while there is no host to follow and nothing left to flash: fade to idle, 1.5 s after the last valid frame. */
bool k1link_is_idle(const k1link *node, uint64_t now_us);

/* True while bytes are frames, false while they are a console's; as of the last k1link_receive or k1link_send. */
bool k1link_is_binary(const k1link *node);

/* Go to frames, as `k1link.start` does: for a firmware whose own console answers the two lines. */
void k1link_start(k1link *node, uint64_t now_us);

/* Tell people something: copied, sent as LOG once there is a session, cut to 110 bytes; the newest replaces one not yet sent. `level` as syslog. */
void k1link_log(k1link *node, uint8_t level, const char *text);

k1link_style k1link_get_style(const k1link *node);
k1link_stats k1link_get_stats(const k1link *node);

/* The value nearest to `near_us` whose low 32 bits are `counter`: extends a 32-bit counter that is read at least every 35 minutes. */
uint64_t k1link_extend(uint32_t counter, uint64_t near_us);

/* ---- private: here so that the caller can hold a context; nothing below is to be touched ---- */

#define K1LINK_SLOTS 3u         /* beats in a BEATS, reports in a FIRED */
#define K1LINK_ENDED_KEPT 16u   /* ids of beats that ended */
#define K1LINK_REPORTS_KEPT 24u /* ends to tell */
#define K1LINK_REPLIES_KEPT 8u  /* answers not yet sent */
#define K1LINK_SESSIONS_KEPT 4u /* whose HELLO is a replay */
#define K1LINK_LOG_TEXT 110u    /* bytes */

typedef struct {
    uint64_t t_node_us;
    uint32_t id;
    uint8_t strength;
    uint8_t beat_in_bar;
} k1link_beat;

/* How one beat ended. Times are packed: the latch as an offset, t_sched without its upper 24 bits, which `now` has too. */
typedef struct {
    uint32_t id;
    uint32_t t_sched_low;
    uint16_t late_us;
    uint8_t t_sched_high;
    uint8_t fate_told; /* flags of FIRED in bits 0 to 3, how often told in bits 4 and 5 */
} k1link_report;

/* An answer that waits: what it needs of the request; the rest is filled in when it is sent. */
typedef struct {
    uint8_t echo[12]; /* PONG: n, t1; HELLO_ACK: nonce; ACK: its payload */
    uint32_t t2_low;
    uint8_t t2_high;
    uint8_t type;
} k1link_reply;

struct k1link {
    const k1link_identity *who;
    uint64_t started_us;
    uint64_t heard_us;      /* the last valid frame */
    uint64_t binary_us;     /* the last change to frames */
    uint64_t last_latch_us; /* valid where has_latched */
    uint64_t retell_us;     /* nothing is told again before */
    k1link_beat queue[K1LINK_QUEUE_DEPTH];
    k1link_report reports[K1LINK_REPORTS_KEPT]; /* oldest first */
    k1link_reply replies[K1LINK_REPLIES_KEPT];  /* oldest first */
    uint32_t ended[K1LINK_ENDED_KEPT];          /* a ring */
    uint32_t past_nonce[K1LINK_SESSIONS_KEPT];  /* a ring, with past_session */
    uint32_t nonce;                             /* of the session */
    uint32_t revision;                          /* newest BEATS or BLACKOUT taken */
    uint32_t refractory_us;
    k1link_style style;
    k1link_stats stats; /* stats.queued is the length of `queue` */
    uint16_t past_session[K1LINK_SESSIONS_KEPT];
    uint16_t session; /* 0 = no host yet */
    bool binary, has_latched;
    uint8_t seq;                /* of the next frame out */
    uint8_t announcements_left; /* after a start */
    uint8_t report_count, reply_count, ended_count, ended_next, past_next;
    uint8_t line_length, line_fits; /* of an ASCII line: bytes matched, and by which lines */
    uint8_t line_replies;           /* ASCII answers to send */
    uint8_t log_length;             /* of the LOG to send, level included; 0 = none */
    uint8_t log[1u + K1LINK_LOG_TEXT];
    uint8_t block_length; /* of the COBS block under way; over its size: too long to be a frame */
    uint8_t block[K1LINK_MAX_FRAME + 1u];
};

#ifdef __cplusplus
}
#endif

#endif
