/* What the fuzzer begins with: the golden vectors in its own language (fuzz_node.c). The argument is the folder to fill.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdio.h>
#include <stdlib.h>

#include "vectors.h"

#include "vectors_exchanges.inc"
#include "vectors_frames.inc"

enum { LATER = 1, WILD = 2 | 31 << 3, HELLO_5 = 4 | 4 << 3, FIRE = 5, SEND = 6 };

static void wild(FILE *to, const char *bytes, size_t length)
{
    for (size_t at = 0; at < length; at += 255) {
        const size_t count = length - at < 255 ? length - at : 255;
        fputc(WILD, to);
        fputc((int)count, to);
        (void)fwrite(bytes + at, 1, count, to);
    }
}

static FILE *begin(const char *folder, char kind, size_t number, int node)
{
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/%c%zu", folder, kind, number);
    FILE *to = fopen(path, "wb");
    if (to == NULL) {
        perror(path);
        exit(1);
    }
    fputc(node, to);
    return to;
}

int main(int count, char **arguments)
{
    if (count != 2) {
        return 2;
    }
    for (size_t i = 0; i < sizeof FRAMES / sizeof FRAMES[0]; i++) {
        FILE *to = begin(arguments[1], 'f', i, 0);
        fputc(HELLO_5, to);
        fputc(4, to);
        wild(to, FRAMES[i].wire, FRAMES[i].length);
        (void)fclose(to);
    }
    for (size_t i = 0; i < sizeof EXCHANGES / sizeof EXCHANGES[0]; i++) {
        uint64_t now_us = EXCHANGES[i].started_us;
        FILE *to = begin(arguments[1], 'x', i, (EXCHANGES[i].who.clock_bits == 32 ? 4 : 0) | (EXCHANGES[i].announce ? 8 : 0));
        for (size_t j = 0; j < EXCHANGES[i].step_count; j++) {
            const step_vector *step = &EXCHANGES[i].steps[j];
            fputc(LATER, to);
            for (int shift = 16; shift >= 0; shift -= 8) {
                fputc((int)((step->at_us - now_us) >> shift & 255), to);
            }
            now_us = step->at_us;
            wild(to, step->in, step->in_length);
            fputc(FIRE, to);
            fputc(SEND, to);
            fputc(SEND, to);
        }
        (void)fclose(to);
    }
    return 0;
}
