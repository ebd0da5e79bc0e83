/* A k1link node on an ESP32-S3: the four calls, in one task. Not run on hardware: `make example` checks it against declarations written
 * after ESP-IDF 5's documentation, no more.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "driver/usb_serial_jtag.h"
#include "esp_mac.h"
#include "esp_random.h"
#include "esp_system.h"
#include "esp_timer.h"
#include "freertos/FreeRTOS.h"
#include "freertos/task.h"

#include "k1link.h"

#define LED_COUNT 320
#define LED_TX_US (LED_COUNT * 30 + 300) /* WS2812: 30 us each, then 300 us of silence until they latch */
#define NAP_US 2000                      /* so close to a flash the task looks at the clock instead of sleeping: a tick is 1000 us */
#define LONGEST_SLEEP_US 10000           /* the strip's own animation needs to be drawn */

static k1link node;

/* ---- yours: your strip, your look. Start the transfer (RMT with DMA) and return; do not wait for it. ---- */

static void strip_flash(const k1link_flash *flash, k1link_style style)
{
    (void)flash; /* strength, beat_in_bar; t_latch_us is when the light will be seen */
    (void)style; /* brightness, fade_ms; period_us until the next beat */
}

static void strip_animate(uint64_t now_us, bool idle)
{
    (void)now_us; /* the decay of the last flash; no transfer may be under way when the next flash is due */
    (void)idle;   /* fade to idle */
}

/* ---- the clock: a counter that is never set; esp_timer has 64 bits, a 32-bit one needs k1link_extend ---- */

static uint64_t now_us(void)
{
    return (uint64_t)esp_timer_get_time();
}

/* ---- who this is ---- */

static uint8_t reset_reason(void)
{
    switch (esp_reset_reason()) {
    case ESP_RST_POWERON:
        return K1LINK_RESET_POWER_ON;
    case ESP_RST_EXT:
        return K1LINK_RESET_EXTERNAL;
    case ESP_RST_SW:
        return K1LINK_RESET_SOFTWARE;
    case ESP_RST_PANIC:
        return K1LINK_RESET_PANIC;
    case ESP_RST_INT_WDT:
    case ESP_RST_TASK_WDT:
    case ESP_RST_WDT:
        return K1LINK_RESET_WATCHDOG;
    case ESP_RST_BROWNOUT:
        return K1LINK_RESET_BROWN_OUT;
    default:
        return K1LINK_RESET_UNKNOWN;
    }
}

static const k1link_identity *who_am_i(void)
{
    static k1link_identity who = {.led_count = LED_COUNT, .led_tx_us = LED_TX_US, .clock_bits = 64, .firmware = "k1link example"};

    (void)esp_efuse_mac_get_default(who.unique_id); /* 6 of the 8 bytes */
    who.boot_id = esp_random();
    who.reset_reason = reset_reason();
    return &who;
}

/* ---- the loop ---- */

static TickType_t patience(void)
{
    const uint64_t now = now_us();
    const uint64_t due = k1link_next_due(&node, now);

    if (due <= now + NAP_US) {
        return 0;
    }
    const uint64_t sleep = due - now - NAP_US;
    return pdMS_TO_TICKS((uint32_t)(sleep < LONGEST_SLEEP_US ? sleep : LONGEST_SLEEP_US) / 1000u);
}

static void beat_task(void *unused)
{
    uint8_t bytes[K1LINK_MAX_WIRE];
    k1link_flash flash;
    size_t length;

    (void)unused;
    (void)k1link_init(&node, who_am_i(), now_us(), true);
    for (;;) {
        const int count = usb_serial_jtag_read_bytes(bytes, sizeof bytes, patience());
        k1link_receive(&node, bytes, count > 0 ? (size_t)count : 0u, now_us());
        while (k1link_fire(&node, now_us(), &flash)) {
            strip_flash(&flash, k1link_get_style(&node));
        }
        strip_animate(now_us(), k1link_is_idle(&node, now_us()));
        while ((length = k1link_send(&node, bytes, sizeof bytes, now_us())) > 0) {
            (void)usb_serial_jtag_write_bytes(bytes, length, 0); /* a host that does not read loses frames; the light does not wait for it */
        }
    }
}

void app_main(void)
{
    usb_serial_jtag_driver_config_t config = {.tx_buffer_size = 1024, .rx_buffer_size = 1024};

    ESP_ERROR_CHECK(usb_serial_jtag_driver_install(&config));
    xTaskCreatePinnedToCore(beat_task, "k1link", 4096, NULL, configMAX_PRIORITIES - 2, NULL, 1);
}
