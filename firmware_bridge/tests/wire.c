/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire.h"

#include <string.h>

enum { HEADER = 5, CRC = 4 };
#define TIME_LIMIT ((uint64_t)1 << 63)

/* Bit by bit from PROTOCOL.md section 3. */
static uint32_t crc32_of(const uint8_t *data, size_t length)
{
    uint32_t crc = 0xFFFFFFFFu;
    for (size_t bit = 0; bit < length * 8; bit++) {
        uint32_t in = ((uint32_t)data[bit / 8] >> (bit % 8)) & 1u;
        crc = (crc >> 1) ^ (((crc ^ in) & 1u) ? 0xEDB88320u : 0u);
    }
    return ~crc;
}

uint64_t wire_get(const uint8_t *at, unsigned size)
{
    uint64_t value = 0;
    while (size-- > 0) value = value << 8 | at[size];
    return value;
}

void wire_put(uint8_t *at, unsigned size, uint64_t value)
{
    for (unsigned i = 0; i < size; i++) at[i] = (uint8_t)(value >> (8 * i));
}

size_t wire_make(const wire_frame *frame, uint8_t out[WIRE_MAX])
{
    uint8_t data[HEADER + WIRE_MAX_PAYLOAD + CRC];
    size_t length = HEADER + frame->length;
    wire_put(data, 2, frame->type);
    wire_put(data + 2, 2, frame->session);
    data[4] = frame->seq;
    if (frame->length > 0) memcpy(data + HEADER, frame->payload, frame->length);
    wire_put(data + length, CRC, crc32_of(data, length));
    length += CRC;
    memcpy(out + 2, data, length);
    out[0] = out[length + 2] = 0;
    uint8_t code = 1; /* from the end: a byte that is 0 becomes the distance to the next such place */
    for (size_t at = length + 1; at >= 1; at--, code++) {
        if (at > 1 && out[at] != 0) continue;
        out[at] = code;
        code = 0;
    }
    return length + 3;
}

bool wire_read(const uint8_t *block, size_t length, wire_frame *frame)
{
    uint8_t data[WIRE_MAX_BLOCK];
    if (length < HEADER + CRC + 1 || length > WIRE_MAX_BLOCK) return false;
    size_t next = block[0];
    for (size_t at = 1; at < length; at++) {
        data[at - 1] = at == next ? 0 : block[at];
        if (block[at] == 0) return false;
        if (at == next) next += block[at];
    }
    size_t size = length - 1;
    if (block[0] == 0 || next != length) return false;
    if (wire_get(data + size - CRC, CRC) != crc32_of(data, size - CRC)) return false;
    frame->type = data[0];
    frame->session = (uint16_t)wire_get(data + 2, 2);
    frame->seq = data[4];
    frame->length = size - HEADER - CRC;
    memcpy(frame->payload, data + HEADER, frame->length);
    return true;
}

bool wire_other_major(const wire_frame *frame)
{
    return (frame->type == HELLO || frame->type == HELLO_ACK) && frame->length >= 6 && frame->payload[0] != 1;
}

static bool beats_in_range(const uint8_t *payload)
{
    uint64_t period = wire_get(payload + 4, 4), valid = wire_get(payload + 8, 8);
    unsigned count = payload[16];
    if ((period != 0 && (period < 200000 || period > 2000000)) || valid >= TIME_LIMIT || count > 3) return false;
    for (unsigned i = 0; i < count; i++) {
        const uint8_t *beat = payload + 17 + 14 * i;
        if (wire_get(beat + 4, 8) >= TIME_LIMIT || beat[13] > 16) return false;
        for (unsigned j = 0; j < i; j++)
            if (memcmp(payload + 17 + 14 * j, beat, 4) == 0) return false;
    }
    return true;
}

static bool fired_in_range(const uint8_t *payload)
{
    if (payload[0] < 1 || payload[0] > 3) return false;
    for (unsigned i = 0; i < payload[0]; i++) {
        const uint8_t *report = payload + 1 + 21 * i;
        if (wire_get(report + 4, 8) >= TIME_LIMIT || wire_get(report + 12, 8) >= TIME_LIMIT) return false;
        if ((1u << (report[20] & 15u) & (1u << 0 | 1u << 1 | 1u << 2 | 1u << 4 | 1u << 12)) == 0) return false;
    }
    return true;
}

static bool hello_ack_in_range(const uint8_t *p)
{
    return wire_get(p + 10, 8) < TIME_LIMIT && p[27] >= 3 && p[28] >= 80 && p[28] <= 120 && wire_get(p + 31, 4) < 1000000;
}

bool wire_understood(const wire_frame *frame)
{
    const uint8_t *payload = frame->payload;
    size_t length = frame->length;
    if (wire_other_major(frame)) return false;
    switch (frame->type) {
    case HELLO: return length >= 22 && wire_get(payload + 2, 4) != 0;
    case HELLO_ACK: return length >= 63 && hello_ack_in_range(payload);
    case CONFIG: return length >= 5 && (wire_get(payload + 1, 2) <= 1000 || wire_get(payload + 1, 2) == 65535);
    case BLACKOUT: return length >= 4;
    case GET_STATS: return true;
    case ACK: return length >= 3;
    case BEATS: return length >= 59 && beats_in_range(payload);
    case PING: return length >= 12;
    case PONG: return length >= 28 && wire_get(payload + 12, 8) < TIME_LIMIT && wire_get(payload + 20, 8) < TIME_LIMIT;
    case FIRED: return length >= 64 && fired_in_range(payload);
    case STATS: return length >= 42;
    case LOG: return length >= 1;
    default: return false;
    }
}
