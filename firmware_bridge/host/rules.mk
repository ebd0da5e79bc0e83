# k1link-node: the library behind a pty, for Linux and its like.
HOST_NODE := $(BUILD)/host/k1link-node

.PHONY: host
all: host
host: $(HOST_NODE) ## the host node, a program

$(HOST_NODE): $(wildcard host/*.c host/*.h) $(LIB) host/rules.mk
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -std=c11 -D_GNU_SOURCE -o $@ $(filter %.c,$^) $(LIB)
