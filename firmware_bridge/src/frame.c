/* Frames: 00, COBS of header, payload and CRC-32, 00. Both ways in place, since a frame is shorter than 254 bytes: a COBS block is then the
 * data with each 00 replaced by the distance to the next one, and one such distance before it.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "parts.h"

#include <string.h>

void k1link_put(uint8_t *at, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        at[i] = (uint8_t)(value >> 8u * i);
    }
}

uint64_t k1link_get(const uint8_t *at, size_t bytes)
{
    uint64_t value = 0;
    while (bytes > 0u) {
        value = value << 8 | at[--bytes];
    }
    return value;
}

/* As in zlib, four bits at a time: a table of 64 bytes instead of 1024. */
static uint32_t crc32(const uint8_t *data, size_t length)
{
    static const uint32_t table[16] = {0x00000000u, 0x1DB71064u, 0x3B6E20C8u, 0x26D930ACu, 0x76DC4190u, 0x6B6B51F4u, 0x4DB26158u, 0x5005713Cu,
                                       0xEDB88320u, 0xF00F9344u, 0xD6D6A3E8u, 0xCB61B38Cu, 0x9B64C2B0u, 0x86D3D2D4u, 0xA00AE278u, 0xBDBDF21Cu};
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < length; i++) {
        crc ^= data[i];
        crc = crc >> 4 ^ table[crc & 15u];
        crc = crc >> 4 ^ table[crc & 15u];
    }
    return ~crc;
}

/* The block becomes the data, one byte further on; false where it is no COBS. */
static bool unstuff(uint8_t *block, size_t length)
{
    size_t at = 0;
    while (at < length) {
        const size_t code = block[at];
        if (code > length - at) {
            return false;
        }
        block[at] = 0;
        at += code;
    }
    return true;
}

static bool decode(uint8_t *block, size_t length, frame *in)
{
    if (length <= OVERHEAD || !unstuff(block, length)) {
        return false;
    }
    const uint8_t *data = block + 1;
    const size_t body = length - 1u - CRC;
    if (crc32(data, body) != k1link_get(data + body, CRC)) {
        return false;
    }
    in->type = data[0];
    in->session = (uint16_t)k1link_get(data + 2, 2);
    in->seq = data[4];
    in->payload = data + HEADER;
    in->length = body - HEADER;
    return true;
}

/* True where `byte` ends a good frame: `in` then points into the context, until the next byte. */
bool k1link_frame_take(k1link *node, uint8_t byte, frame *in)
{
    const size_t length = node->block_length;

    if (byte == 0u) {
        node->block_length = 0;
        if (length == 0u || length > sizeof node->block) {
            return false; /* an overlong block was counted when it became one */
        }
        if (decode(node->block, length, in)) {
            node->stats.frames_in++;
            return true;
        }
        node->stats.bad_frames++;
        node->stats.garbage_bytes += (uint32_t)length;
    } else if (length < sizeof node->block) {
        node->block[node->block_length++] = byte;
    } else if (length == sizeof node->block) {
        node->block_length++;
        node->stats.bad_frames++;
        node->stats.garbage_bytes += (uint32_t)length + 1u;
    } else {
        node->stats.garbage_bytes++;
    }
    return false;
}

/* Turn the payload at out + 2 + HEADER into a frame that begins at `out`; its length. */
size_t k1link_frame_finish(k1link *node, uint8_t *out, uint8_t type, size_t payload_length)
{
    uint8_t *data = out + 2;
    const size_t body = HEADER + payload_length;
    const size_t length = body + CRC;
    size_t last = 0; /* of the codes, counted from out + 1 */

    data[0] = type;
    data[1] = 0;
    k1link_put(data + 2, node->session, 2);
    data[4] = node->seq++;
    k1link_put(data + body, crc32(data, body), CRC);
    for (size_t i = 1; i <= length; i++) {
        if (out[1 + i] == 0u) {
            out[1 + last] = (uint8_t)(i - last);
            last = i;
        }
    }
    out[1 + last] = (uint8_t)(length + 1u - last);
    out[0] = 0;
    out[2 + length] = 0;
    return length + 3u;
}
