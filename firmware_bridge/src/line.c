/* The ASCII side: the two lines that a host says before frames, found without keeping any text.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "parts.h"

#include <string.h>

enum { LINES = 2, ASK_STATUS = 1 << 0, START_BINARY = 1 << 1 };

static const char *const lines[LINES] = {"{\"type\":\"device.getStatus\"}", "{\"type\":\"k1link.start\"}"};

static void end_line(k1link *node, uint64_t now_us)
{
    const uint8_t at = node->line_length;
    uint8_t said = 0;

    for (unsigned i = 0; i < LINES; i++) {
        if ((node->line_fits & 1u << i) != 0u && lines[i][at] == '\0') {
            said = (uint8_t)(1u << i);
        }
    }
    node->line_replies |= said;
    node->line_length = 0;
    node->line_fits = 0;
    if (said == START_BINARY) {
        k1link_start(node, now_us);
    }
}

/* Text before the first `{` is skipped, white space ignored; a line that is none of ours fits nothing until it ends. */
void k1link_line_take(k1link *node, uint8_t byte, uint64_t now_us)
{
    if (byte == '\n') {
        end_line(node, now_us);
        return;
    }
    if (byte == ' ' || byte == '\t' || byte == '\r') {
        return;
    }
    if (node->line_length == 0u) {
        if (byte != '{') {
            return;
        }
        node->line_fits = ASK_STATUS | START_BINARY;
    }
    for (unsigned i = 0; i < LINES; i++) {
        if ((node->line_fits & 1u << i) != 0u && (uint8_t)lines[i][node->line_length] != byte) {
            node->line_fits &= (uint8_t)~(1u << i);
        }
    }
    if (node->line_fits != 0u) {
        node->line_length++;
    }
}

static size_t append(uint8_t *out, size_t at, const char *text)
{
    const size_t length = strlen(text);
    memcpy(out + at, text, length);
    return at + length;
}

size_t k1link_line_reply(k1link *node, uint8_t *out)
{
    if ((node->line_replies & ASK_STATUS) == 0u) {
        node->line_replies = 0;
        return append(out, 0, "{\"type\":\"k1link.start\",\"success\":true}\n");
    }
    node->line_replies &= (uint8_t)~ASK_STATUS;
    size_t at = append(out, 0, "{\"type\":\"device.getStatus\",\"success\":true,\"data\":{\"k1link\":1,\"version\":\"");
    const size_t end = at + k1link_firmware(node, out + at);
    for (; at < end; at++) {
        if (out[at] < ' ' || out[at] > '~' || out[at] == '"' || out[at] == '\\') {
            out[at] = '?'; /* escapes could outgrow the line */
        }
    }
    return append(out, at, "\"}}\n");
}
