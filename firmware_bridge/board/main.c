/* A k1link node on an Arm MPS2 board (qemu: mps2-an385): its UART, its timer, its two LEDs. LED 0 is the flash, LED 1 the downbeat.
 *
 * The LEDs stand for a strip: a flash starts the transfer, which takes led_tx_us on its own, as an ESP32's RMT does; when the timer says
 * that it is over, the strip latches. So the loop never waits, and answers pings meanwhile.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "clock.h"
#include "k1link.h"
#include "mps2.h"
#include "random.h"
#include "startup.h"
#include "uart.h"

#define LED_COUNT 160u
#define LED_TX_US (LED_COUNT * 30u + 300u) /* WS2812: 30 us each, 300 us until they latch */
#define LIT_US 60000u
#define AWAKE_US 300u /* before something is due the board looks at its timer instead of sleeping: waking takes an emulator some 0.1 ms */

static const char boot_text[] = "\r\nk1 board: Cortex-M3 at 25 MHz\r\nLoading app partition\r\n";

static k1link node;
static uint32_t leds; /* what the strip shows after the next edge */
static uint64_t edge_us = K1LINK_NEVER;

static void show_strip(uint64_t now_us)
{
    if (now_us < edge_us)
        return;
    FPGAIO_LEDS = leds;
    edge_us = leds ? now_us + LIT_US : K1LINK_NEVER;
    leds = 0;
}

static void flash_and_answer(void)
{
    uint8_t bytes[K1LINK_MAX_WIRE];
    k1link_flash flash;
    size_t length = uart_read(bytes, sizeof bytes);
    if (length)
        k1link_receive(&node, bytes, length, clock_us());
    while (k1link_fire(&node, clock_us(), &flash)) {
        leds = 1u | (flash.beat_in_bar == 1 ? 2u : 0u);
        edge_us = flash.t_latch_us;
    }
    show_strip(clock_us());
    uart_pump();
    while (uart_room() >= K1LINK_MAX_WIRE && (length = k1link_send(&node, bytes, sizeof bytes, clock_us())) > 0)
        uart_write(bytes, length);
}

static void sleep_until_something(void)
{
    const uint64_t now_us = clock_us();
    uint64_t due_us = k1link_next_due(&node, now_us);
    if (edge_us < due_us)
        due_us = edge_us;
    if (due_us <= now_us + AWAKE_US)
        return;
    clock_alarm(due_us - AWAKE_US, now_us);
    interrupts_off();
    while (!uart_is_wanting() && !clock_has_rung()) {
        wait_for_interrupt(); /* one that is pending ends it though they are off */
        interrupts_on();
        interrupts_off();
    }
    interrupts_on();
}

int main(void)
{
    static k1link_identity who = {.unique_id = "k1board0", .led_tx_us = LED_TX_US, .led_count = LED_COUNT, .clock_bits = 64, .firmware = "k1link mps2-an385"};
    clock_start();
    uart_start();
    FPGAIO_LEDS = 0;
    who.reset_reason = take_reset_reason();
    who.boot_id = random_word();
    uart_write((const uint8_t *)boot_text, strlen(boot_text));
    (void)k1link_init(&node, &who, clock_us(), true);
    for (;;) {
        flash_and_answer();
        sleep_until_something();
    }
}
