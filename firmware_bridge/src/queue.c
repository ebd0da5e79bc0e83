/* What the node has still to flash: revisions, freezing, lateness, refractory time; one end for each beat.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "parts.h"

#include <string.h>

enum { FREEZE_US = 30000, ON_TIME_US = 2000, LATE_US = 10000 };

/* Times are below 2^63, so that differences are signed. */
static int64_t until(uint64_t time_us, uint64_t now_us)
{
    return (int64_t)(time_us - now_us);
}

static bool frozen(const k1link_beat *beat, uint64_t now_us)
{
    return until(beat->t_node_us, now_us) < FREEZE_US;
}

static void end(k1link *node, const k1link_beat *beat, uint8_t fate, uint64_t latch_us)
{
    uint32_t *const totals[] = {&node->stats.fired, &node->stats.late, &node->stats.missed};

    ++*(fate <= FATE_MISSED ? totals[fate] : &node->stats.cancelled);
    node->ended[node->ended_next] = beat->id;
    node->ended_next = (uint8_t)((node->ended_next + 1u) % K1LINK_ENDED_KEPT);
    if (node->ended_count < K1LINK_ENDED_KEPT) {
        node->ended_count++;
    }
    k1link_report_add(node, beat, fate, latch_us);
}

static void end_queued(k1link *node, size_t at, uint8_t fate, uint64_t latch_us)
{
    const k1link_beat beat = node->queue[at];

    node->stats.queued--;
    memmove(node->queue + at, node->queue + at + 1u, (node->stats.queued - at) * sizeof node->queue[0]);
    end(node, &beat, fate, latch_us);
}

static bool has_ended(const k1link *node, uint32_t id)
{
    for (size_t i = 0; i < node->ended_count; i++) {
        if (node->ended[i] == id) {
            return true;
        }
    }
    return false;
}

static size_t find(const k1link_beat *beats, size_t count, uint32_t id)
{
    size_t at = 0;
    while (at < count && beats[at].id != id) {
        at++;
    }
    return at;
}

/* Play `beats` from now on; what is about to flash stands. */
void k1link_queue_replace(k1link *node, const k1link_beat *beats, size_t count, uint64_t now_us)
{
    for (size_t i = 0; i < node->stats.queued;) {
        if (find(beats, count, node->queue[i].id) == count && !frozen(&node->queue[i], now_us)) {
            end_queued(node, i, FATE_CANCELLED, 0);
        } else {
            i++;
        }
    }
    for (size_t i = 0; i < count; i++) {
        const size_t held = find(node->queue, node->stats.queued, beats[i].id);
        const bool is_new = held == node->stats.queued;
        if (has_ended(node, beats[i].id) || (!is_new && frozen(&node->queue[held], now_us))) {
            continue;
        }
        if (held == K1LINK_QUEUE_DEPTH) {
            end(node, &beats[i], FATE_MISSED, 0);
            continue;
        }
        node->queue[held] = beats[i];
        node->stats.queued = (uint8_t)(node->stats.queued + is_new);
    }
    if (node->stats.queue_peak < node->stats.queued) {
        node->stats.queue_peak = node->stats.queued;
    }
}

void k1link_queue_cancel_all(k1link *node)
{
    while (node->stats.queued > 0u) {
        end_queued(node, 0, FATE_CANCELLED, 0);
    }
}

/* The place of the beat that is due first, the earlier in the queue where two are; queued > 0. */
static size_t first(const k1link *node)
{
    size_t at = 0;
    for (size_t i = 1; i < node->stats.queued; i++) {
        at = node->queue[i].t_node_us < node->queue[at].t_node_us ? i : at;
    }
    return at;
}

uint64_t k1link_queue_next(const k1link *node)
{
    if (node->stats.queued == 0u) {
        return K1LINK_NEVER;
    }
    const uint64_t latch_us = node->queue[first(node)].t_node_us;
    return latch_us > node->who->led_tx_us ? latch_us - node->who->led_tx_us : 0u;
}

bool k1link_fire(k1link *node, uint64_t now_us, k1link_flash *flash)
{
    const uint64_t latch_us = now_us + node->who->led_tx_us;

    while (node->stats.queued > 0u) {
        const size_t at = first(node);
        const k1link_beat beat = node->queue[at];
        const int64_t late_us = until(latch_us, beat.t_node_us);
        if (late_us < 0) {
            break;
        }
        if (late_us > LATE_US) {
            end_queued(node, at, FATE_MISSED, 0);
        } else if (node->has_latched && until(latch_us, node->last_latch_us) < (int64_t)node->refractory_us) {
            end_queued(node, at, FATE_TOO_CLOSE, 0);
        } else {
            node->has_latched = true;
            node->last_latch_us = latch_us;
            end_queued(node, at, late_us <= ON_TIME_US ? FATE_FIRED : FATE_LATE, latch_us);
            *flash = (k1link_flash){beat.id, beat.t_node_us, latch_us, beat.strength, beat.beat_in_bar};
            return true;
        }
    }
    return false;
}
