/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char usage[] =
    "Usage: k1link-node [options]\n"
    "A k1link node behind a pty, made of the C library. Its path is the first line of stdout; then comes one JSON line per flash:\n"
    "wire_id, scheduled_us and fired_us (its own clock), fired_ns (CLOCK_MONOTONIC).\n"
    "\n"
    "  --ppm RATE          rate error of its clock, + = fast (0)\n"
    "  --offset-us N       its counter at the start (5000000)\n"
    "  --delay LO-HI       delay of bytes each way in ms, such as 1-3 (0)\n"
    "  --loss SHARE        share of frames lost each way, 0 to 1 (0)\n"
    "  --seed N            of delays and losses (1)\n"
    "  --link PATH         keep a symlink on the pty\n"
    "  --led-tx-us N       from starting to send to the LEDs until they latch, below 1000000 (5100)\n"
    "  --led-count N       how many LEDs it says it has (160)\n"
    "  --unique-id TEXT    at most 8 bytes (hostnode)\n"
    "  --boot-id N         of its first start; each reset adds one (from the clock and the process id)\n"
    "  --clock-bits BITS   64, or 32: then times go over the wire as their low 32 bits (64)\n"
    "  --help\n"
    "\n"
    "SIGUSR1 resets it: queue lost, counter near 0, boot text first. SIGSTOP freezes it; its clock runs on. SIGINT and SIGTERM end it.\n";

static _Noreturn void refuse(const char *format, ...)
{
    va_list values;
    va_start(values, format);
    fputs("k1link-node: ", stderr);
    vfprintf(stderr, format, values);
    fputs("; --help tells what it takes\n", stderr);
    va_end(values);
    exit(2);
}

static double number(const char *name, const char *text, double low, double high)
{
    char *end;
    errno = 0;
    const double value = strtod(text, &end);
    if (end == text || *end || errno || !(value >= low && value <= high))
        refuse("--%s wants a number from %.17g to %.17g, not \"%s\"", name, low, high, text);
    return value;
}

static int64_t whole(const char *name, const char *text, int64_t low, int64_t high)
{
    char *end;
    errno = 0;
    const long long value = strtoll(text, &end, 0);
    if (end == text || *end || errno || value < low || value > high)
        refuse("--%s wants a whole number from %lld to %lld, not \"%s\"", name, (long long)low, (long long)high, text);
    return value;
}

static void range(const char *text, double delay_ms[2])
{
    char *end;
    delay_ms[0] = delay_ms[1] = strtod(text, &end);
    if (end != text && *end == '-')
        delay_ms[1] = strtod(text = end + 1, &end);
    if (end == text || *end || !(delay_ms[0] >= 0 && delay_ms[1] >= delay_ms[0] && delay_ms[1] <= 10000))
        refuse("--delay wants ms such as 2 or 1-3, 0 to 10000");
}

static void name_board(const char *text, uint8_t unique_id[8])
{
    const size_t length = strlen(text);
    if (length < 1 || length > 8)
        refuse("--unique-id wants 1 to 8 bytes, not \"%s\"", text);
    memset(unique_id, 0, 8);
    memcpy(unique_id, text, length);
}

static options defaults(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    options made = {.offset_us = 5000000, .seed = 1, .led_tx_us = 5100, .led_count = 160, .clock_bits = 64};
    made.boot_id = (uint32_t)now.tv_sec * 1000u + (uint32_t)(now.tv_nsec / 1000000) + ((uint32_t)getpid() << 16);
    memcpy(made.unique_id, "hostnode", 8);
    return made;
}

static void take(options *made, const char *name, const char *text)
{
    if (!strcmp(name, "ppm"))
        made->ppm = number(name, text, -100000, 100000);
    else if (!strcmp(name, "offset-us"))
        made->offset_us = whole(name, text, 0, INT64_MAX / 4);
    else if (!strcmp(name, "delay"))
        range(text, made->delay_ms);
    else if (!strcmp(name, "loss"))
        made->loss = number(name, text, 0, 1);
    else if (!strcmp(name, "seed"))
        made->seed = (uint64_t)whole(name, text, INT64_MIN, INT64_MAX);
    else if (!strcmp(name, "link"))
        made->link = text;
    else if (!strcmp(name, "led-tx-us"))
        made->led_tx_us = (uint32_t)whole(name, text, 0, 999999);
    else if (!strcmp(name, "led-count"))
        made->led_count = (uint16_t)whole(name, text, 0, UINT16_MAX);
    else if (!strcmp(name, "unique-id"))
        name_board(text, made->unique_id);
    else if (!strcmp(name, "boot-id"))
        made->boot_id = (uint32_t)whole(name, text, 0, UINT32_MAX);
    else if ((made->clock_bits = (uint8_t)whole(name, text, 32, 64)) != 32 && made->clock_bits != 64)
        refuse("--clock-bits wants 32 or 64");
}

options read_options(int count, char **arguments)
{
    static const struct option known[] = { /* numbered, or getopt takes an ambiguous beginning for a clear one */
        {"ppm", 1, NULL, 1},       {"offset-us", 1, NULL, 2}, {"delay", 1, NULL, 3},     {"loss", 1, NULL, 4},
        {"seed", 1, NULL, 5},      {"link", 1, NULL, 6},      {"led-tx-us", 1, NULL, 7}, {"led-count", 1, NULL, 8},
        {"unique-id", 1, NULL, 9}, {"boot-id", 1, NULL, 10},   {"clock-bits", 1, NULL, 11}, {"help", 0, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    options made = defaults();
    int which = 0, found;
    opterr = 0;
    while ((found = getopt_long(count, arguments, "", known, &which)) != -1) {
        if (found == 'h') {
            fputs(usage, stdout);
            exit(0);
        }
        if (found == '?')
            refuse("\"%s\" is no option of it, is ambiguous, or lacks its value", arguments[optind - 1]);
        take(&made, known[which].name, optarg);
    }
    if (optind < count)
        refuse("\"%s\" is one word too many", arguments[optind]);
    return made;
}
