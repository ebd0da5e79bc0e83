/* What the host node can be told on its command line.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdint.h>

typedef struct {
    double ppm;         /* rate error of the node's clock, + = fast; -1000000 < ppm */
    int64_t offset_us;  /* its counter at the start */
    double delay_ms[2]; /* shortest and longest delay of a burst of bytes, each way */
    double loss;        /* share of the bursts of frames that vanish, each way */
    uint64_t seed;      /* of delays and losses */
    const char *link;   /* a symlink to keep on the pty, or NULL */
    uint32_t led_tx_us;
    uint16_t led_count;
    uint8_t unique_id[8];
    uint32_t boot_id;
    uint8_t clock_bits;
} options;

/* Read the command line; on a mistake say it on stderr and exit with 2. */
options read_options(int count, char **arguments);

#endif
