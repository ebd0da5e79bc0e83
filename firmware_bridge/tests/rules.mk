# The C tests by each compiler, plain and under sanitizers; how much of the library they reach; the fuzzer.
TEST_SRC := $(filter-out tests/fuzz%,$(wildcard tests/*.c))
TEST_FLAGS := -std=c99 $(WARNINGS) -g -I$(INC) -Itests
SANITIZERS := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
RUNS ?= 200000

.PHONY: coverage

# $(1) folder, $(2) compiler, $(3) flags
define tests
$(BUILD)/$(1)/k1link-tests: $(TEST_SRC) $(LIB_SRC) $(LIB_HEADERS) $(wildcard tests/*.h tests/*.inc) Makefile tests/rules.mk
	@mkdir -p $$(@D)
	$(2) $(TEST_FLAGS) $(3) -o $$@ $(TEST_SRC) $(LIB_SRC)
endef
$(foreach compiler,$(or $(HOSTS),cc),$(eval $(call tests,$(compiler),$(compiler),-O2)))
$(foreach compiler,$(or $(HOSTS),cc),$(eval $(call tests,$(compiler)-sanitize,$(compiler),-O1 $(SANITIZERS))))
$(eval $(call tests,coverage,gcc,-O0 --coverage))

run-%: $(BUILD)/%/k1link-tests
	./$<

test: $(foreach compiler,$(or $(HOSTS),cc),run-$(compiler))

sanitize: $(foreach compiler,$(or $(HOSTS),cc),run-$(compiler)-sanitize)

coverage: run-coverage ## how much of the library the C tests reach
	@gcov -nb $(patsubst src/%.c,$(BUILD)/coverage/k1link-tests-%.gcda,$(LIB_SRC)) | grep -A3 "^File 'src"
