# holdfast: one file, no recursion but for `deps`. `make help` lists the targets.
#
# Everything is built under build/$(VARIANT)/, which mirrors the tree. The lists below are explicit
# on purpose: they are the architecture, bottom up, and a stray file must not enter the library.

MAKEFLAGS += -r
.DEFAULT_GOAL := all
.DELETE_ON_ERROR:

ifneq (,$(filter deps,$(MAKECMDGOALS)))
# `make deps GOAL...`: install first, then start make afresh, so that what is looked up while this
# file is read (pkg-config, compilers) sees what was installed, and -j cannot overtake it.
goals := $(filter-out deps,$(MAKECMDGOALS))
.PHONY: deps $(goals)
deps:
	@sh tools/deps.sh
ifneq ($(goals),)
$(firstword $(goals)): deps
	@$(MAKE) --no-print-directory $(goals)
$(wordlist 2,$(words $(goals)),$(goals)): $(firstword $(goals)) ; @:
endif
else

# ---- variants ------------------------------------------------------------------------------------
VARIANT ?= release
opt.release := -O2 -g
opt.debug   := -O0 -g
opt.asan    := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
opt.tsan    := -O1 -g -fsanitize=thread
opt.cov     := -O0 -g --coverage -fprofile-update=atomic -DNDEBUG
opt.fuzz    := -O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
ifeq ($(opt.$(VARIANT)),)
$(error unknown VARIANT '$(VARIANT)': one of release debug asan tsan cov fuzz)
endif
ifeq ($(origin CC),default)
CC := $(if $(filter fuzz,$(VARIANT)),clang,gcc)
endif
AR ?= ar
B := build/$(VARIANT)
Q := $(if $(V),,@)

# ---- flags: the user's CPPFLAGS, CFLAGS and LDFLAGS are appended, never overwritten ----------------
warn := -Wall -Wextra -Wundef -Wshadow -Wconversion -Wsign-conversion -Wstrict-prototypes \
        -Wmissing-prototypes -Wvla -Wwrite-strings -Wswitch-enum -Wcast-qual $(if $(CI),-Werror)
cflags := -std=c11 -D_POSIX_C_SOURCE=200809L -Iinclude -Isrc $(opt.$(VARIANT)) $(warn) -fPIC \
          -fvisibility=hidden -pthread -MMD -MP $(CPPFLAGS) $(CFLAGS)
ldflags := $(opt.$(VARIANT)) -pthread $(LDFLAGS)
curl_cflags := $(shell pkg-config --cflags libcurl 2>/dev/null)
curl_libs   := $(shell pkg-config --libs libcurl 2>/dev/null || echo -lcurl)
mockd_cflags := $(shell pkg-config --cflags libmicrohttpd inih gnutls 2>/dev/null)
mockd_libs   := $(shell pkg-config --libs libmicrohttpd inih gnutls 2>/dev/null || echo -lmicrohttpd -linih -lgnutls)
uv_cflags := $(shell pkg-config --cflags libuv 2>/dev/null)
uv_libs   := $(shell pkg-config --libs libuv 2>/dev/null)
hiredis_libs := $(shell pkg-config --libs hiredis 2>/dev/null)
cmocka_libs  := $(shell pkg-config --libs cmocka 2>/dev/null || echo -lcmocka)
version := $(shell sed -n 's/^\#define HF_VERSION "\(.*\)"/\1/p' include/holdfast/version.h)
abi := 0

# ---- the house, bottom up ------------------------------------------------------------------------
base   := errors fixed num rng siphash
# One line for each pattern, so that its files are seen together.
core   := backoff budget not_before retry
core   += breaker breaker_overdue breaker_probe breaker_rules breaker_state breaker_time_window breaker_window
core   += bulkhead bulkhead_lease
core   += hedge
core   += concurrency fault ratelimit throttle
engine := branch call counters interrupt policy report result switched trunk
os     := boot error_text fork_generation keyed_hash monotonic random_seed shard shared_file sigpipe thread waiter wall
os     += event
shm    := region region_directory region_file region_fork region_process region_view
policy := config_check pipeline_build pipeline_check
policy += backoff_config budget_policy fallback_policy not_before_policy retry_policy timeout_policy
policy += breaker_admin breaker_change breaker_config breaker_explain breaker_live breaker_policy breaker_record \
          breaker_shared breaker_wheel
policy += bulkhead_config bulkhead_info bulkhead_leases bulkhead_line bulkhead_policy bulkhead_shared
policy += concurrency_policy fault_policy keyed_table ratelimit_policy ratelimit_words switches throttle_policy
policy += hedge_policy
policy += breaker_ticket
obs    := prometheus
drive  := cancel clock describe run run_options seed testing
drive  += pool pool_run pool_threads
http   := classify client client_calls client_core client_exchange client_job client_lane client_redirect client_request \
          client_setup client_thread completions curl_door curl_options job_timers libcurl_ready multi_list resolver \
          response retry_after traceparent transfer

core_lib := $(base:%=base/%) $(core:%=core/%) $(engine:%=engine/%) $(os:%=os/%) \
            $(shm:%=shm/%) $(policy:%=policy/%) $(drive:%=drive/%) $(obs:%=obs/%)
core_objs := $(core_lib:%=$B/src/%.o)
http_objs := $(http:%=$B/src/http/%.o)

mockd := $(patsubst tools/mockd/%.c,%,$(wildcard tools/mockd/*.c))
mockd_objs := $(mockd:%=$B/tools/mockd/%.o)
top_objs := $B/tools/holdfast_top/holdfast_top.o $B/tools/holdfast_top/top_page.o

# Tests: each tests/AREA/NAME_test.c is a program. Those in http/, mockd/ and examples/ talk to mockd.
tests := $(patsubst tests/%.c,%,$(wildcard tests/*/*_test.c))
# The thread sanitizer allocates before anything of ours can stand in for malloc; the simulations have one thread.
tests := $(if $(filter tsan,$(VARIANT)),$(filter-out %alloc_test %sim_test,$(tests)),$(tests))
support := $(patsubst %.c,$B/%.o,$(wildcard tests/support/*.c))
fuzzers := $(patsubst fuzz/%.c,%,$(wildcard fuzz/*_fuzz.c))
fuzz_parts := $(patsubst %.c,$B/%.o,$(wildcard fuzz/*/*.c))
sim := $(patsubst tests/sim/%.c,$B/tests/sim/%.o,$(filter-out %_test.c %_main.c,$(wildcard tests/sim/*.c)))
examples := $(filter-out $(if $(uv_libs),,client_uv redis_uv) $(if $(hiredis_libs),,redis_uv),$(patsubst examples/%.c,%,$(wildcard examples/*.c)))
http_bench := $(patsubst bench/%.c,%,$(wildcard bench/http_*.c))
bench := $(filter-out $(http_bench),$(patsubst bench/%.c,%,$(wildcard bench/*.c)))
demo := $(patsubst examples/black_friday/%.c,%,$(wildcard examples/black_friday/*.c))

libs := $B/libholdfast.a $B/libholdfast-curl.a $B/libholdfast.so.$(abi) $B/libholdfast-curl.so.$(abi)
test_bins := $(tests:%=$B/tests/%)
example_bins := $(examples:%=$B/examples/%)
bench_bin := $B/bench/bench
http_bench_bin := $B/bench/bench_http
demo_bin := $(if $(demo),$B/examples/black_friday/black_friday)
replay_bins := $(fuzzers:%=$B/fuzz/%)

# ---- rules ---------------------------------------------------------------------------------------
.PHONY: all help clean
all: $(libs) $B/mockd $(example_bins) $(demo_bin)

help:
	@sed -n 's/^## //p' Makefile

## make                     libraries, mockd, examples, in build/release
## make deps [GOAL...]      install what is missing (Debian, apt-get), then make the goals
## make build-all           and the tests and fuzz targets too
## make test                every test, the fuzz corpora replayed, check-layers, check-headers
## make sim                 the overload experiments in virtual time: tables and charts of docs/overload.md
## make demo                Black Friday: plain libcurl against holdfast, about 50 s
## make check-demo-fails    the bars of the demo must fail without policies, about 25 s
## make check-model         spin walks every order of the steps on shared state, with kills; about 30 s
## make kill-test           8 workers on one region, killed and stopped at random; KILLS=1000 SEED=1
## make check-layers        includes against the layer table, purity of base, core and engine
## make check-headers       every public header alone, as C11 and as C++11
## make check-abi           exported functions: headers, version maps and libraries agree
## make check-docs          comments of exported functions, examples in headers and documents, version
## make http-docs           write the tables of docs/http.md from the code; check-http-docs (part of test) compares
## make check-all           test in the release, asan and tsan variants
## make fuzz                run the fuzz targets (clang, FUZZ_SECONDS=20 each)
## make fuzz-mutants        plant bugs one at a time: the fuzz targets must find each within 60 s
## make fuzz-corpus         rebuild fuzz/corpus from it and from what `make fuzz` found, small
## make coverage            base, core, engine and policy: at least 95 % of the lines and 90 % of the branches
## make check-valgrind      no error and no leak in what the tests run
## make install             with PREFIX=/usr/local, LIBDIR, INCLUDEDIR, BINDIR, DESTDIR; uninstall
## make check-install       C and C++ programs against an installation, shared and static
## make dist                the source archive of HEAD
## make lint                clang-format, cppcheck, clang-tidy and gcc -fanalyzer, all at zero findings
## make format              lay the code out by .clang-format; check-format only looks
## make bench              every bar beside its figure, and instructions per call; fails on a MISS
## make bench-http         the door and the client against nginx and plain libcurl, about 2 min
## make bench-keep         writes bench/instructions.txt, what later runs are compared with
## make clean               remove build/
## Variables: VARIANT=release|debug|asan|tsan|cov|fuzz, CC, CPPFLAGS, CFLAGS, LDFLAGS, CI=1 (-Werror), V=1

$B/src/http/%.o: local_cflags = $(curl_cflags)
$B/tools/mockd/%.o: local_cflags = $(mockd_cflags) -D_GNU_SOURCE -DMOCKD_VERSION='"$(version)"'
$B/tools/holdfast_top/%.o: local_cflags = -Itools
$B/tests/%.o: local_cflags = $(curl_cflags) -Itests -I$B/tests -DHF_MOCKD_PATH='"$B/mockd"' -DHF_BUILD_DIR='"$B"'
$B/examples/%.o: local_cflags = $(curl_cflags) $(uv_cflags) -Itests
$B/bench/http_%.o: local_cflags = $(curl_cflags) -Itests -D_GNU_SOURCE
$B/fuzz/%.o: local_cflags = $(curl_cflags) -Ifuzz -Itests -Itools

$B/%.o: %.c $B/.flags
	@mkdir -p $(@D)
	$(if $(V),,@echo "  CC   $@")
	$(Q)$(CC) $(cflags) $(local_cflags) -c -o $@ $<

$B/libholdfast.a: $(core_objs)
$B/libholdfast-curl.a: $(http_objs)
$B/%.a:
	@rm -f $@
	$(Q)$(AR) rcs $@ $^

# What is exported is written down in src/*.map, see docs/abi.md; -z defs proves that the curl library takes nothing else
# from libholdfast.
link_so = $(CC) -shared -Wl,-Bsymbolic-functions -Wl,-soname,$(@F) -Wl,--version-script,$(filter %.map,$^) $(ldflags) -o $@ $(filter %.o,$^)
$B/libholdfast.so.$(abi): $(core_objs) src/holdfast.map
	$(Q)$(link_so)
	@ln -sf $(@F) $B/libholdfast.so
$B/libholdfast-curl.so.$(abi): $(http_objs) src/holdfast-curl.map $B/libholdfast.so.$(abi)
	$(Q)$(link_so) $(if $(filter asan tsan fuzz,$(VARIANT)),,-Wl,-z,defs) -L$B -lholdfast $(curl_libs)
	@ln -sf $(@F) $B/libholdfast-curl.so

$B/mockd: $(mockd_objs)
	$(Q)$(CC) $(ldflags) -o $@ $^ $(mockd_libs) -lm

all test install check-install: $B/holdfast-top
$B/holdfast-top: $(top_objs) $B/libholdfast.a
	$(Q)$(CC) $(ldflags) -o $@ $^

link_all = $(CC) $(ldflags) -o $@ $(filter %.o,$^) $B/libholdfast-curl.a $B/libholdfast.a

$B/libsupport.a: $(support)
# What the headers say about defaults and ranges, as C.
$B/tests/docs/%.inc: tools/docs/structs.awk tools/docs/%.awk $(wildcard include/holdfast/*.h)
	@mkdir -p $(@D)
	@awk $(patsubst %.awk,-f %.awk,$(filter %.awk,$^)) $(filter %.h,$^) >$@
docs_inc := $B/tests/docs/defaults.inc $B/tests/docs/ranges.inc
$B/tests/docs/defaults_test.o $B/tests/docs/ranges_test.o: $(docs_inc)
# Parts of programs that tests call alone.
$B/tests/mockd/scenario_test $B/fuzz/scenario_fuzz: $(addprefix $B/tools/mockd/,behaviour.o scenario.o scenario_file.o)
$B/tests/mockd/scenario_test: part_libs = $(mockd_libs)
$B/tests/sim/sim_test: $(sim)
kill_parts := $B/tests/kill/worker.o $B/tests/kill/checks.o
$B/tests/kill/kill_test: $(kill_parts)
# Rules of the library that the test can break, to prove that it would notice.
$B/tests/kill/kill_test: part_libs = -Wl,--wrap=hf__region_alive,--wrap=hf__probe_claim
$B/tests/examples/demo_test: $(addprefix $B/examples/black_friday/,bars.o chart.o figures.o journal.o page.o panels.o plan.o)
$(filter-out $B/tests/http/pitfall_%,$(test_bins)): $B/%: $B/%.o $B/libsupport.a $B/libholdfast-curl.a $B/libholdfast.a
	$(Q)$(CC) $(ldflags) -o $@ $(filter %.o,$^) $B/libsupport.a $B/libholdfast-curl.a $B/libholdfast.a $(cmocka_libs) $(curl_libs) $(part_libs) -lm
# The tests of libcurl's pitfalls can switch cures off, in objects of their own (src/http/cures.h).
pitfall_bins := $(filter $B/tests/http/pitfall_%,$(test_bins))
cures_objs := $(http:%=$B/cures/src/http/%.o)
$B/cures/src/http/%.o: local_cflags = $(curl_cflags) -DHF_TEST_CURES
$B/cures/%.o: %.c $B/.flags
	@mkdir -p $(@D)
	$(if $(V),,@echo "  CC   $@")
	$(Q)$(CC) $(cflags) $(local_cflags) -c -o $@ $<
$B/libcures.a: $(cures_objs)
$(pitfall_bins): $B/%: $B/%.o $B/libsupport.a $B/libcures.a $B/libholdfast.a
	$(Q)$(CC) $(ldflags) -o $@ $< $(filter %.a,$^) $(cmocka_libs) $(curl_libs) -lm
$(example_bins): $B/examples/%: $B/examples/%.o $B/libholdfast-curl.a $B/libholdfast.a
	$(Q)$(link_all) $(curl_libs)
$B/examples/client_uv: curl_libs += $(uv_libs)
$B/examples/redis_uv: curl_libs += $(hiredis_libs) $(uv_libs)
$(demo_bin): $(demo:%=$B/examples/black_friday/%.o) $B/tests/support/mockd_process.o $B/libholdfast-curl.a $B/libholdfast.a
	$(Q)$(link_all) $(curl_libs) -lm
# Without libFuzzer a target is an ordinary program that replays files.
$B/libfuzz.a: $(fuzz_parts)
$(replay_bins): $B/fuzz/%: $B/fuzz/%.o $(if $(filter fuzz,$(VARIANT)),,$B/fuzz/replay_main.o) \
                  $B/libfuzz.a $B/libsupport.a $B/libholdfast-curl.a $B/libholdfast.a
	$(Q)$(CC) $(ldflags) $(if $(filter fuzz,$(VARIANT)),-fsanitize=fuzzer) -o $@ $(filter %.o,$^) \
	  $(filter %.a,$^) $(fuzz_libs)
fuzz_libs = $(curl_libs) $(mockd_libs) -lm

.PHONY: build-all test examples demo check-demo-fails check-layers check-abi check-headers check-docs check-all check-model kill-test
build-all: all $(test_bins) $(replay_bins)
# The tables of docs/http.md are the code's.
$B/tools/http_table.o: local_cflags = $(curl_cflags)
$B/tools/http_table: $B/tools/http_table.o $B/libholdfast-curl.a $B/libholdfast.a
	$(Q)$(link_all) $(curl_libs)
.PHONY: http-docs check-http-docs
http-docs: $B/tools/http_table
	@sh tools/http_docs.sh write $<
check-http-docs: $B/tools/http_table
	@sh tools/http_docs.sh check $<
test: check-http-docs
test: $(if $(CI),check-format) check-layers check-headers check-docs check-abi $(test_bins) $(example_bins) $(replay_bins) $B/mockd
	@sh tools/run_tests.sh $B $(tests:%=tests/%) $(fuzzers:%=fuzz/%)

examples: $(example_bins)

# The experiments of docs/overload.md: its tables and charts, made anew.
sim_bin := $B/tests/sim/sim
$(sim_bin): $B/tests/sim/sim_main.o $(sim) $B/libholdfast.a
	$(Q)$(CC) $(ldflags) -o $@ $^ -lm
.PHONY: sim
sim: $(sim_bin)
	$(sim_bin) docs/img >$B/tests/sim/tables.md
	@sh tests/sim/embed.sh $B/tests/sim/tables.md docs/overload.md

demo: $(demo_bin) $B/mockd
	$(demo_bin) --mockd $B/mockd --out build/demo
# Through the shared library, as a program would use it.
$(bench_bin): $(bench:%=$B/bench/%.o) $B/libholdfast.so.$(abi)
	$(Q)$(CC) $(ldflags) -o $@ $(filter %.o,$^) -L$B -lholdfast -Wl,-rpath,'$$ORIGIN/..'
$(http_bench_bin): $(http_bench:%=$B/bench/%.o) $B/tests/support/real_server.o $B/libholdfast-curl.so.$(abi)
	$(Q)$(CC) $(ldflags) -o $@ $(filter %.o,$^) -L$B -lholdfast-curl -lholdfast -Wl,-rpath,'$$ORIGIN/..' $(curl_libs)
.PHONY: bench bench-keep bench-http
bench-http: $(http_bench_bin)
	$(http_bench_bin)
bench: $(bench_bin)
	$(bench_bin) --kept bench/instructions.txt
bench-keep: $(bench_bin)
	$(bench_bin) --kept bench/instructions.txt --no-times --keep
check-demo-fails: $(demo_bin) $B/mockd
	@sh tools/check_demo_fails.sh $(demo_bin) $B/mockd

KILLS ?= 1000
SEED ?= 1
kill-test: $B/tests/kill/kill_test
	$B/tests/kill/kill_test --kills $(KILLS) --seed $(SEED)
check-model:
	@sh tools/check_model.sh $B
check-layers: $B/libholdfast.a
	@sh tools/check_layers.sh $B
check-abi: $(libs)
	@sh tools/check_abi.sh $B $(version)
check-headers:
	@sh tools/check_headers.sh
check-docs:
	@CC='$(CC)' sh tools/check_docs.sh
check-all:
	$(MAKE) test
	$(MAKE) test VARIANT=asan
	$(MAKE) test VARIANT=tsan

# ---- install: one list for install and uninstall, MODE:SOURCE:TARGET or link:TEXT:TARGET ---------------
PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
INCLUDEDIR ?= $(PREFIX)/include
LIBDIR ?= $(PREFIX)/lib
so_names = 755:$B/$1.so.$(abi):$(LIBDIR)/$1.so.$(version) link:$1.so.$(version):$(LIBDIR)/$1.so.$(abi) \
           link:$1.so.$(abi):$(LIBDIR)/$1.so
installed = $(foreach h,$(wildcard include/holdfast/*.h),644:$h:$(INCLUDEDIR)/holdfast/$(notdir $h)) \
            $(foreach h,$(wildcard include/holdfast/adapters/*.h),644:$h:$(INCLUDEDIR)/holdfast/adapters/$(notdir $h)) \
            $(foreach l,libholdfast libholdfast-curl,644:$B/$l.a:$(LIBDIR)/$l.a $(call so_names,$l)) \
            $(foreach p,$(pkgconfig),644:$p:$(LIBDIR)/pkgconfig/$(notdir $p)) \
            755:$B/mockd:$(BINDIR)/mockd 755:$B/holdfast-top:$(BINDIR)/holdfast-top
pkgconfig := $B/holdfast.pc $B/holdfast-curl.pc

.PHONY: install uninstall list-installed check-install dist
install: $(libs) $B/mockd $(pkgconfig)
	@sh tools/install.sh install '$(DESTDIR)' $(installed)
uninstall:
	@sh tools/install.sh uninstall '$(DESTDIR)' $(installed)
list-installed:
	@sh tools/install.sh list '' $(installed)
$B/%.pc: packaging/%.pc.in $B/.places
	@sed -e 's:@PREFIX@:$(PREFIX):' -e 's:@LIBDIR@:$(LIBDIR:$(PREFIX)/%=$${prefix}/%):' \
	  -e 's:@INCLUDEDIR@:$(INCLUDEDIR:$(PREFIX)/%=$${prefix}/%):' -e 's:@VERSION@:$(version):' $< >$@
check-install: $(libs) $B/mockd
	@MAKE="$(MAKE)" sh tools/check_install.sh $(version) $(abi)
dist:
	@mkdir -p build
	git archive --prefix=holdfast-$(version)/ -o build/holdfast-$(version).tar.gz HEAD

FUZZ_SECONDS ?= 20
.PHONY: fuzz fuzz-mutants mutants-of-fuzz fuzz-corpus coverage coverage-report check-valgrind
fuzz:
	$(MAKE) VARIANT=fuzz $(fuzzers:%=build/fuzz/fuzz/%)
	@sh tools/fuzz.sh $(FUZZ_SECONDS) $(fuzzers)
# Bugs planted one at a time, each to be found by a fuzz target from the committed corpora: two at once.
mutants := $(wildcard tools/mutants/*.patch)
fuzz-mutants:
	$(MAKE) VARIANT=fuzz mutants-of-fuzz
mutants-of-fuzz: $(replay_bins)
	@for f in $(fuzzers); do $B/fuzz/$$f -runs=0 fuzz/corpus/$$f >$B/$$f.log 2>&1 || { echo "FAIL fuzz/$$f without a mutant"; exit 1; }; done
	@export MUTANT_CC='$(CC) $(cflags)' MUTANT_LD='$(CC) $(ldflags) -fsanitize=fuzzer' \
	  MUTANT_LIBS='$B/libfuzz.a $B/libsupport.a $B/libholdfast-curl.a $B/libholdfast.a $(fuzz_libs)'; \
	  printf '%s\n' $(mutants) | xargs -P 2 -n 1 sh tools/fuzz_mutant.sh
fuzz-corpus:
	$(MAKE) VARIANT=fuzz $(fuzzers:%=build/fuzz/fuzz/%)
	@sh tools/fuzz_corpus.sh $(fuzzers)

# Of what decides: base, core, engine and policy. Without asserts (NDEBUG), and without the branch that HF_MUST never takes.
decide_tests := $(filter-out http/% mockd/% demo/% examples/% %/defaults_test,$(tests))
report = gcovr --root . $(foreach l,base core engine policy,--filter src/$l/) --exclude-unreachable-branches \
         --exclude-lines-by-pattern '.*HF_MUST\(.*' $B
coverage:
	$(MAKE) VARIANT=cov coverage-report
coverage-report: $(decide_tests:%=$B/tests/%) $(replay_bins) $B/mockd $B/holdfast-top
	@find $B -name '*.gcda' -delete
	@sh tools/run_tests.sh $B $(decide_tests:%=tests/%) $(fuzzers:%=fuzz/%)
	@$(report) --fail-under-line 95 | tail -n +5
	@$(report) --branches --fail-under-branch 90 | tail -n +5

# Everything that does not measure time against a server. tests/faults have a malloc of their own in front of the C library's.
own_malloc := --soname-synonyms=somalloc=nouserintercepts
check-valgrind: $(decide_tests:%=$B/tests/%) $B/tests/http/door_test $B/mockd $B/holdfast-top
	@UNDER='valgrind -q --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite,indirect,possible $(own_malloc)' \
	  sh tools/run_tests.sh $B $(decide_tests:%=tests/%) tests/http/door_test

# Lint: every finding is an error; what is switched off says why, here and in .clang-tidy.
linted = $(wildcard src/*/*.c tools/*/*.c examples/*.c examples/*/*.c fuzz/*.c fuzz/*/*.c bench/*.c tests/*/*.c)
lint_flags = $(cflags) $(curl_cflags) $(mockd_cflags) -D_GNU_SOURCE= -Ifuzz -Itests -Itools -I$B/tests -DMOCKD_VERSION=__FILE__ \
             -DHF_MOCKD_PATH=__FILE__ -DHF_BUILD_DIR=__FILE__
.PHONY: lint check-cppcheck check-tidy check-analyzer format check-format
lint: check-format check-cppcheck check-tidy check-analyzer
# cppcheck takes a value that a pointer was passed to for one that holds it, and what is filled in through a pointer for
# uninitialised; valgrind and the sanitizers know better. It does not know that a test's MUST ends the test, and cannot read
# the modules that breaker_interleave_test.c includes with other atomics.
check-cppcheck:
	@echo "cppcheck: $(words $(linted)) files"
	@cppcheck --quiet --std=c11 --enable=warning,performance,portability --inline-suppr --error-exitcode=1 -j 2 \
	  --suppress=returnDanglingLifetime --suppress=uninitvar --suppress=ctuuninitvar --suppress=missingIncludeSystem --suppress=invalidPrintfArgType_s \
	  --suppress='arrayIndexOutOfBoundsCond:tests/*' --suppress='nullPointerRedundantCheck:tests/*' \
	  -Iinclude -Isrc -Itests $(filter-out %_interleave_test.c,$(linted))
check-tidy: $(docs_inc)
	@echo "clang-tidy: $(words $(linted)) files"
	@printf '%s\n' $(linted) | xargs -n 6 -P 2 sh -c 'clang-tidy --quiet "$$@" -- $(lint_flags) 2>&1' - >build/tidy || \
	  { grep -v 'warnings generated\|^Suppressed\|^Use -header-filter' build/tidy; exit 1; }
# ledger.c: tsearch keeps what it is given, which the analyzer does not know and calls a leak. -O0: the optimiser takes
# structs apart, and the analyzer then calls whole ones uninitialised, which it also does where a struct is returned.
# redis_uv.c: hiredis hands itself to the loop.
check-analyzer:
	@echo "gcc -fanalyzer: library, tools and examples"
	@printf '%s\n' $(filter-out tests/% tools/mockd/ledger.c examples/redis_uv.c,$(linted)) | \
	  xargs -n 1 -P 2 gcc $(lint_flags) -O0 -fanalyzer -Wno-analyzer-use-of-uninitialized-value -Werror -c -o /dev/null

sources = $(shell git ls-files '*.c' '*.h')
format:
	@clang-format -i $(sources)
check-format:
	@echo "clang-format: $(words $(sources)) files"
	@clang-format --dry-run -Werror $(sources) || { echo 'run make format'; exit 1; }

clean:
	rm -rf build

# Rebuild everything when compiler or flags change, the .pc files when places do, and only then.
define stamp
ifneq ($$(file <$1),$$(strip $2))
$$(shell mkdir -p $(dir $1))
$$(file >$1,$$(strip $2))
endif
$1: ;
endef
$(eval $(call stamp,$B/.flags,$$(CC) $$(cflags) $$(curl_cflags) $$(mockd_cflags)))
$(eval $(call stamp,$B/.places,$$(PREFIX) $$(LIBDIR) $$(INCLUDEDIR) $$(version)))

-include $(shell find $B -name '*.d' 2>/dev/null)
endif
