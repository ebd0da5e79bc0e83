# The C tests by each compiler, plain and under sanitizers; how much of the library they reach; the fuzzer.
TEST_SRC := $(filter-out tests/fuzz% tests/seed%,$(wildcard tests/*.c))
TEST_FLAGS := -std=c99 $(WARNINGS) -g -I$(INC) -Itests
SANITIZERS := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
RUNS ?= 200000
FUZZER := $(BUILD)/fuzz/k1link-fuzz

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

coverage: $(BUILD)/coverage/k1link-tests ## how much of the library the C tests reach
	@rm -f $(BUILD)/coverage/*.gcda
	./$<
	@gcov -nb $(patsubst src/%.c,$(BUILD)/coverage/k1link-tests-%.gcda,$(LIB_SRC)) | grep -A3 "^File 'src"

check: fuzz

# One input is one node's life, some frames long; the last line has the totals. An input that goes wrong is left in build/fuzz/.
# The judge is not instrumented: the search is for new paths through the library, and a judge that is as slow as it finds half as much.
fuzz: $(if $(call have,clang),$(FUZZER))
	@$(if $(call have,clang),$(FUZZER) -runs=$(RUNS) -max_len=512 -seed=1 -use_cmp=0 -verbosity=0 -artifact_prefix=$(BUILD)/fuzz/ $(BUILD)/fuzz/corpus,\
	echo "skipped: the fuzzer; clang is not installed" >&2)

FUZZ_SRC := tests/fuzz_node.c tests/fuzz_judge.c tests/fuzz_output.c tests/wire.c
$(FUZZER): $(FUZZ_SRC) tests/seed_corpus.c $(wildcard tests/*.h tests/*.inc) $(LIB_SRC) $(LIB_HEADERS) Makefile tests/rules.mk
	@mkdir -p $(@D)/corpus
	for source in $(LIB_SRC); do \
		clang $(TEST_FLAGS) -O2 $(SANITIZERS) -fsanitize=fuzzer-no-link -c $$source -o $(@D)/$$(basename $$source .c).o || exit 1; done
	for source in $(FUZZ_SRC); do clang $(TEST_FLAGS) -O2 -c $$source -o $(@D)/$$(basename $$source .c).o || exit 1; done
	clang -fsanitize=fuzzer,address,undefined -o $@ $(@D)/*.o
	clang $(TEST_FLAGS) -o $(@D)/seed-corpus tests/seed_corpus.c
	$(@D)/seed-corpus $(@D)/corpus
