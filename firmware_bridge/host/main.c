/* k1link-node: the library behind a pty, with a clock of its own, for tests and for whoever has no hardware. It knows when it really flashed,
 * on the host's clock, which no report of a node can prove. One thread owns everything.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "k1link.h"
#include "options.h"
#include "wire.h"

#define NS_PER_S INT64_C(1000000000)
#define NAP_NS INT64_C(300000) /* before a flash it looks at the clock instead of sleeping: Linux wakes sleepers some 0.1 ms late */
#define IDLE_NS NS_PER_S
#define RESET_US 1000 /* the counter after a reset */

static const char boot_text[] = "ESP-ROM:esp32s3-20210327\r\nrst:0x1 (POWERON),boot:0x8 (SPI_FAST_FLASH_BOOT)\r\nLoading app partition\r\n";

static volatile sig_atomic_t ending, reset_asked;

typedef struct {
    int64_t start_ns;
    uint64_t start_us; /* its counter at start_ns */
    double us_per_ns;
} node_clock;

typedef struct {
    k1link link;
    k1link_identity who;
    node_clock clock;
    plug pty;
    delay_line in, out;
    uint64_t random;
} host_node;

static int64_t host_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * NS_PER_S + now.tv_nsec;
}

static uint64_t node_us(const node_clock *clock, int64_t ns)
{
    return clock->start_us + (uint64_t)((double)(ns - clock->start_ns) * clock->us_per_ns);
}

/* When its counter will stand at `us`, or stood; far futures are as good as never. */
static int64_t when_ns(const node_clock *clock, uint64_t us)
{
    const double since_us = us >= clock->start_us ? (double)(us - clock->start_us) : -(double)(clock->start_us - us);
    const double since_ns = since_us / clock->us_per_ns;
    return since_ns > 1e18 ? NEVER_NS : clock->start_ns + (int64_t)since_ns;
}

static void on_signal(int number)
{
    if (number == SIGUSR1)
        reset_asked = 1;
    else
        ending = 1;
}

/* Signals come during the wait and nowhere else, so that none is overslept. */
static sigset_t catch_signals(void)
{
    const int numbers[] = {SIGUSR1, SIGINT, SIGTERM};
    struct sigaction action = {.sa_handler = on_signal};
    sigset_t blocked, before;
    sigemptyset(&blocked);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        sigaddset(&blocked, numbers[i]);
        sigaction(numbers[i], &action, NULL);
    }
    sigprocmask(SIG_BLOCK, &blocked, &before);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        sigdelset(&before, numbers[i]);
    return before;
}

static void reset(host_node *node)
{
    const int64_t now_ns = host_ns();
    node->in.count = node->out.count = 0;
    node->who.boot_id++;
    node->who.reset_reason = K1LINK_RESET_EXTERNAL;
    node->clock.start_ns = now_ns;
    node->clock.start_us = RESET_US;
    (void)k1link_init(&node->link, &node->who, RESET_US, true);
    delay_put(&node->out, (const uint8_t *)boot_text, sizeof boot_text - 1, now_ns, false);
}

static void flash(host_node *node)
{
    k1link_flash light;
    while (k1link_fire(&node->link, node_us(&node->clock, host_ns()), &light)) {
        printf("{\"wire_id\": %" PRIu32 ", \"scheduled_us\": %" PRIu64 ", \"fired_us\": %" PRIu64 ", \"fired_ns\": %" PRId64 "}\n", light.id,
               light.t_sched_us, light.t_latch_us, when_ns(&node->clock, light.t_latch_us));
        fflush(stdout);
    }
}

static void listen_and_answer(host_node *node)
{
    uint8_t bytes[BURST_BYTES];
    const burst *arrived;
    ssize_t count;
    while ((count = read(node->pty.master, bytes, sizeof bytes)) > 0)
        delay_put(&node->in, bytes, (size_t)count, host_ns(), k1link_is_binary(&node->link));
    while ((arrived = delay_take(&node->in, host_ns())))
        k1link_receive(&node->link, arrived->bytes, arrived->length, node_us(&node->clock, host_ns()));
    for (;;) {
        const int64_t now_ns = host_ns();
        const size_t length = k1link_send(&node->link, bytes, sizeof bytes, node_us(&node->clock, now_ns));
        if (!length)
            break;
        delay_put(&node->out, bytes, length, now_ns, k1link_is_binary(&node->link));
    }
    while ((arrived = delay_take(&node->out, host_ns())))
        if (write(node->pty.master, arrived->bytes, arrived->length) < 0 && errno != EAGAIN)
            perror("k1link-node: the pty"); /* EAGAIN: a USB port drops what the host does not fetch, and so does this */
}

/* Sleep until bytes come or something is due; the last fraction of a millisecond awake. */
static void wait(host_node *node, const sigset_t *signals)
{
    struct pollfd pty = {.fd = node->pty.master, .events = POLLIN};
    const int64_t now_ns = host_ns();
    const uint64_t due_us = k1link_next_due(&node->link, node_us(&node->clock, now_ns));
    const int64_t due_ns = due_us == K1LINK_NEVER ? NEVER_NS : when_ns(&node->clock, due_us);
    int64_t until_ns = now_ns + IDLE_NS;
    if (due_ns < NEVER_NS && due_ns - NAP_NS < until_ns)
        until_ns = due_ns - NAP_NS;
    if (delay_next(&node->in) < until_ns)
        until_ns = delay_next(&node->in);
    if (delay_next(&node->out) < until_ns)
        until_ns = delay_next(&node->out);
    const int64_t left_ns = until_ns > now_ns ? until_ns - now_ns : 0;
    const struct timespec left = {left_ns / NS_PER_S, left_ns % NS_PER_S};
    (void)ppoll(&pty, 1, &left, signals);
}

int main(int count, char **arguments)
{
    static host_node node;
    const options chosen = read_options(count, arguments);
    const sigset_t signals = catch_signals();
    if (!plug_open(&node.pty, chosen.link)) {
        plug_close(&node.pty);
        return 1;
    }
    node.random = chosen.seed;
    node.in = (delay_line){.delay_ns = {chosen.delay_ms[0] * 1e6, chosen.delay_ms[1] * 1e6}, .loss = chosen.loss, .random = &node.random};
    node.out = node.in;
    node.clock = (node_clock){host_ns(), (uint64_t)chosen.offset_us, (1.0 + chosen.ppm * 1e-6) / 1000.0};
    node.who = (k1link_identity){.boot_id = chosen.boot_id,
                                 .led_tx_us = chosen.led_tx_us,
                                 .led_count = chosen.led_count,
                                 .reset_reason = K1LINK_RESET_POWER_ON,
                                 .clock_bits = chosen.clock_bits,
                                 .firmware = "k1link host node"};
    memcpy(node.who.unique_id, chosen.unique_id, sizeof node.who.unique_id);
    if (k1link_init(&node.link, &node.who, node.clock.start_us, false) != K1LINK_OK) {
        fputs("k1link-node: the library refuses these options\n", stderr);
        return 1;
    }
    printf("%s\n", plug_path(&node.pty));
    fflush(stdout);
    while (!ending) {
        if (reset_asked) {
            reset_asked = 0;
            reset(&node);
        }
        flash(&node);
        listen_and_answer(&node);
        wait(&node, &signals);
    }
    plug_close(&node.pty);
    return 0;
}
