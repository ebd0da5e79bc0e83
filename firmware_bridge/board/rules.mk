# k1board.elf: the library as an image for an Arm MPS2 board with AN385, which qemu emulates as `mps2-an385`.
BOARD_IMAGE := $(BUILD)/board/k1board.elf

.PHONY: board
all: board
board: $(if $(call have,$(ARM_CC)),$(BOARD_IMAGE)) ## the image of the emulated board
	@$(if $(call have,$(ARM_CC)),:,echo "skipped: the board's image; $(ARM_CC) is not installed (Debian: gcc-arm-none-eabi)" >&2)

$(BOARD_IMAGE): $(wildcard board/*.c board/*.h) board/mps2.ld $(ARM_LIB) board/rules.mk
	@mkdir -p $(@D)
	$(ARM_CC) $(ARM_FLAGS) -nostartfiles -specs=nano.specs -Wl,--gc-sections -T board/mps2.ld -o $@ $(filter %.c,$^) $(ARM_LIB)
