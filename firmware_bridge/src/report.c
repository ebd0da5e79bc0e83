/* How beats ended, each told in three frames: at once, then again by itself or along with newer ends.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "parts.h"

#include <string.h>

enum { TELLINGS = 3, RETELL_US = 120000, TOLD_SHIFT = 4, FATE_BITS = 0x0F, REPORT_SIZE = 21 };

static unsigned told(const k1link_report *report)
{
    return (unsigned)report->fate_told >> TOLD_SHIFT;
}

static void drop(k1link *node, size_t at)
{
    node->report_count--;
    memmove(node->reports + at, node->reports + at + 1u, (node->report_count - at) * sizeof node->reports[0]);
}

void k1link_report_add(k1link *node, const k1link_beat *beat, uint8_t fate, uint64_t latch_us)
{
    if (node->report_count == K1LINK_REPORTS_KEPT) {
        drop(node, 0);
    }
    node->reports[node->report_count++] = (k1link_report){
        .id = beat->id,
        .t_sched_low = (uint32_t)beat->t_node_us,
        .t_sched_high = (uint8_t)(beat->t_node_us >> 32),
        .late_us = (uint16_t)(fate <= FATE_LATE ? latch_us - beat->t_node_us : 0u),
        .fate_told = fate,
    };
}

uint64_t k1link_report_next(const k1link *node)
{
    for (size_t i = 0; i < node->report_count; i++) {
        if (told(&node->reports[i]) == 0u) {
            return 0;
        }
    }
    return node->report_count > 0u ? node->retell_us : K1LINK_NEVER;
}

static void put(const k1link *node, const k1link_report *report, uint8_t *at, uint64_t now_us)
{
    const uint8_t fate = report->fate_told & FATE_BITS;
    const uint64_t sched_us = k1link_near((uint64_t)report->t_sched_high << 32 | report->t_sched_low, now_us, 40);

    k1link_put(at, report->id, 4);
    k1link_put(at + 4, k1link_to_wire(node, sched_us), 8);
    k1link_put(at + 12, fate <= FATE_LATE ? k1link_to_wire(node, sched_us + report->late_us) : 0u, 8);
    at[20] = fate;
}

/* A FIRED payload: what was told least first, the oldest of those first. 0 = nothing to tell now. */
size_t k1link_report_fired(k1link *node, uint8_t *payload, uint64_t now_us)
{
    size_t batch[K1LINK_SLOTS];
    size_t count = 0;

    if (now_us < k1link_report_next(node)) {
        return 0;
    }
    for (unsigned tellings = 0; tellings < TELLINGS; tellings++) {
        for (size_t i = 0; i < node->report_count && count < K1LINK_SLOTS; i++) {
            if (told(&node->reports[i]) == tellings) {
                batch[count++] = i;
            }
        }
    }
    memset(payload, 0, 1u + K1LINK_SLOTS * REPORT_SIZE);
    payload[0] = (uint8_t)count;
    for (size_t i = 0; i < count; i++) {
        put(node, &node->reports[batch[i]], payload + 1u + i * REPORT_SIZE, now_us);
        node->reports[batch[i]].fate_told = (uint8_t)(node->reports[batch[i]].fate_told + (1u << TOLD_SHIFT));
    }
    for (size_t i = node->report_count; i-- > 0u;) {
        if (told(&node->reports[i]) == TELLINGS) {
            drop(node, i);
        }
    }
    node->retell_us = now_us + RETELL_US;
    return 1u + K1LINK_SLOTS * REPORT_SIZE;
}
