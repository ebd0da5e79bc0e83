/* As much of ESP-IDF 5 as the sketch uses, written after its documentation, so that a host compiler can read it (make example). */
#ifndef IDF_DECLARATIONS_H
#define IDF_DECLARATIONS_H

#include <stddef.h>
#include <stdint.h>

typedef int esp_err_t;
typedef uint32_t TickType_t;
typedef int BaseType_t;
typedef void *TaskHandle_t;
typedef enum {
    ESP_RST_UNKNOWN, ESP_RST_POWERON, ESP_RST_EXT, ESP_RST_SW, ESP_RST_PANIC, ESP_RST_INT_WDT,
    ESP_RST_TASK_WDT, ESP_RST_WDT, ESP_RST_DEEPSLEEP, ESP_RST_BROWNOUT, ESP_RST_SDIO
} esp_reset_reason_t;
typedef struct {
    uint32_t tx_buffer_size;
    uint32_t rx_buffer_size;
} usb_serial_jtag_driver_config_t;

#define configMAX_PRIORITIES 25
#define pdMS_TO_TICKS(ms) ((TickType_t)(ms))
#define ESP_ERROR_CHECK(x) ((void)(x))

esp_err_t usb_serial_jtag_driver_install(usb_serial_jtag_driver_config_t *config);
int usb_serial_jtag_read_bytes(void *buffer, uint32_t length, TickType_t ticks);
int usb_serial_jtag_write_bytes(const void *source, size_t size, TickType_t ticks);
esp_err_t esp_efuse_mac_get_default(uint8_t *mac);
uint32_t esp_random(void);
esp_reset_reason_t esp_reset_reason(void);
int64_t esp_timer_get_time(void);
BaseType_t xTaskCreatePinnedToCore(void (*task)(void *), const char *name, uint32_t stack, void *argument, unsigned priority, TaskHandle_t *made, BaseType_t core);
void app_main(void);

#endif
