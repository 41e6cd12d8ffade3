/* SPDX-License-Identifier: MIT */
/* Real processes on one region, and a killer: workers are killed with SIGKILL at random instants and forked anew, and
 * stopped and continued. No permit may be lost after the lease time, never more be in flight than there are slots, no
 * state be torn, nobody wait for a dead or a stopped one.
 *
 *     kill_test                            40 kills; and again with one rule broken at a time, which must be found
 *     kill_test --kills 1000 [--seed N] [--break RULE]
 *
 * What is drawn follows from the seed; where in the code a worker is killed does not. */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#include "kill/world.h"

#include "base/rng.h"
#include "core/breaker_probe.h"
#include "os/monotonic.h"
#include "shm/region.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define STOP_NS (3 * LEASE_MS * HF_MILLISECOND)
#define QUIET_EVERY 25
#define ILL_NS (150 * HF_MILLISECOND)

/* ---- rules that can be broken: the program is linked with --wrap for these functions of the library ---- */

enum broken { NOTHING, OWNERS_NEVER_DIE, OWNERS_ALWAYS_DEAD, PROBES_NEVER_EXPIRE };
static const char *const broken_names[] = {"nothing", "owners-never-die", "owners-always-dead", "probes-never-expire"};
static enum broken broken;

bool __real_hf__region_alive(const hf_region *region, uint32_t owner);
bool __wrap_hf__region_alive(const hf_region *region, uint32_t owner);
bool __wrap_hf__region_alive(const hf_region *region, uint32_t owner) {
    if (broken == OWNERS_NEVER_DIE) return true;
    if (broken == OWNERS_ALWAYS_DEAD) return false;
    return __real_hf__region_alive(region, owner);
}

struct hf__claim_answer __real_hf__probe_claim(const uint64_t *slots, uint64_t control,
                                               const struct hf__open_rules *rules, hf_time now);
struct hf__claim_answer __wrap_hf__probe_claim(const uint64_t *slots, uint64_t control,
                                               const struct hf__open_rules *rules, hf_time now);
struct hf__claim_answer __wrap_hf__probe_claim(const uint64_t *slots, uint64_t control,
                                               const struct hf__open_rules *rules, hf_time now) {
    struct hf__claim_answer answer = __real_hf__probe_claim(slots, control, rules, now);
    if (broken == PROBES_NEVER_EXPIRE && answer.verdict == HF__CLAIM_EXPIRE) {
        answer.verdict = HF__CLAIM_FULL;
        answer.retry_at = HF_NEVER;
    }
    return answer;
}

/* ---- the killer ---- */

struct killer {
    struct world *world;
    struct house house;
    char directory[64];
    uint64_t seed, rng;
    pid_t pid[WORKERS];
    hf_time go_on_at[WORKERS]; /* stopped until then; 0: it runs */
    uint32_t stopped;
    hf_time mood_at; /* when the dependency falls ill or gets well */
    uint64_t kills, killed_at[3], stops, stopped_holding, checks;
};

/* Workers go home at the first violation, and nothing is worth waiting for. */
static bool sound(const struct killer *k) { return atomic_load(&k->world->violations) == 0; }

static void hire(struct killer *k, uint32_t index) {
    struct desk *desk = &k->world->desk[index];
    atomic_store(&desk->place, PLACE_OUTSIDE);
    atomic_store(&desk->idle, 0);
    uint64_t seed = hf__rng_next(&k->rng);
    pid_t master = getpid(), pid = fork();
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != master) _exit(1);
        /* One half as prefork workers, with what they inherit; the other half attach by name, as strangers do. */
        struct house own;
        bool stranger = index % 2 == 1;
        if (!stranger || house_make(&own, k->directory, k->world))
            work_for_ever(k->world, stranger ? &own : &k->house, index, seed);
        _exit(1);
    }
    k->pid[index] = pid;
    if (pid < 0) violate(k->world, "fork: %s", strerror(errno));
}

static void go_on(struct killer *k, uint32_t index) {
    if (k->go_on_at[index] == 0) return;
    k->go_on_at[index] = 0;
    k->stopped--;
    (void)kill(k->pid[index], SIGCONT);
}

static void stop(struct killer *k, uint32_t index) {
    /* One slot at least is left to the others, or they could rightly wait for the stopped. */
    if (k->go_on_at[index] != 0 || k->stopped == SLOTS - 1) return;
    (void)kill(k->pid[index], SIGSTOP);
    k->go_on_at[index] = hf__monotonic_now() + STOP_NS;
    k->stopped++;
    k->stops++;
    k->stopped_holding += atomic_load(&k->world->desk[index].place) == PLACE_HOLDING;
}

/* SIGKILL, and what it was doing. Meanwhile it is not counted among those that hold a slot: it may be dead already. */
static void fire(struct killer *k, uint32_t index) {
    uint64_t dying = UINT64_C(1) << (32 + index), bit = UINT64_C(1) << index;
    int status = 0;
    if (k->pid[index] <= 0) return;
    atomic_fetch_or(&k->world->holders, dying);
    (void)kill(k->pid[index], SIGKILL);
    (void)waitpid(k->pid[index], &status, 0);
    atomic_fetch_and(&k->world->holders, ~bit);
    atomic_fetch_and(&k->world->holders, ~dying);
    k->pid[index] = -1;
    k->stopped -= k->go_on_at[index] != 0;
    k->go_on_at[index] = 0;
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
        violate(k->world, "worker %u ended by itself, with status %#x", index, (unsigned)status);
}

static void quiet(struct killer *k) {
    for (uint32_t i = 0; i < WORKERS; i++) go_on(k, i);
    atomic_store(&k->world->ill, 0);
    atomic_store(&k->world->paused, 1);
    hf_time until = hf__monotonic_now() + 20 * HF_SECOND;
    for (uint32_t i = 0; i < WORKERS && sound(k); i++) {
        while (!atomic_load(&k->world->desk[i].idle) && sound(k) && hf__monotonic_now() < until) nap_us(200);
        if (!atomic_load(&k->world->desk[i].idle) && sound(k))
            violate(k->world, "worker %u does not come back from place %u", i, atomic_load(&k->world->desk[i].place));
    }
    if (sound(k)) check_quiet(k->world, &k->house);
    k->checks++;
    atomic_store(&k->world->paused, 0);
}

static uint64_t all_calls(const struct killer *k) {
    uint64_t calls = 0;
    for (uint32_t i = 0; i < WORKERS; i++) calls += atomic_load(&k->world->desk[i].calls);
    return calls;
}

static void pass_time(struct killer *k) {
    nap_us((uint64_t)hf__rng_between(hf__rng_next(&k->rng), 0, 8000));
    hf_time now = hf__monotonic_now();
    uint64_t before = 0;
    for (uint32_t i = 0; i < WORKERS; i++) {
        if (k->go_on_at[i] != 0 && now >= k->go_on_at[i]) go_on(k, i);
    }
    if (now >= k->mood_at) {
        before = all_calls(k);
        atomic_store(&k->world->ill, !atomic_load(&k->world->ill));
        k->mood_at = now + ILL_NS;
    }
    /* Somebody gets on, whoever was stopped or killed where. */
    for (int i = 0; before > 0 && sound(k) && all_calls(k) == before; i++) {
        nap_us(1000);
        if (i == 10000) {
            violate(k->world, "nobody has ended a call for 10 s, with %u of %d stopped", k->stopped, WORKERS);
            return;
        }
    }
}

/* Anybody; but three times in four somebody who is in `place` just now, if there is one: a call of the library is so
 * short that few deaths would fall into it. Who is stopped is left alone mostly, or few stops would last. */
static uint32_t choose(struct killer *k, enum place place) {
    uint32_t first = (uint32_t)hf__rng_between(hf__rng_next(&k->rng), 0, WORKERS - 1);
    uint64_t mood = hf__rng_next(&k->rng) >> 60;
    for (uint32_t i = 0; i < WORKERS && mood >= 4; i++) {
        uint32_t index = (first + i) % WORKERS;
        if (k->go_on_at[index] == 0 && atomic_load(&k->world->desk[index].place) == (uint32_t)place) return index;
    }
    for (uint32_t i = 0; i < WORKERS && mood > 0; i++) {
        uint32_t index = (first + i) % WORKERS;
        if (k->go_on_at[index] == 0) return index;
    }
    return first;
}

static void hunt(struct killer *k, uint64_t kills) {
    for (uint32_t i = 0; i < WORKERS; i++) hire(k, i);
    while (k->kills < kills && sound(k)) {
        pass_time(k);
        if (hf__rng_between(hf__rng_next(&k->rng), 0, 7) == 0) {
            stop(k, choose(k, PLACE_HOLDING));
            continue;
        }
        bool early = hf__rng_next(&k->rng) >> 63;
        uint32_t index = choose(k, early ? PLACE_LIBRARY : PLACE_HOLDING);
        fire(k, index);
        k->killed_at[atomic_load(&k->world->desk[index].place)]++;
        k->kills++;
        hire(k, index);
        if (k->kills % QUIET_EVERY == 0) quiet(k);
    }
}

static void report(const struct killer *k, uint64_t wanted, int64_t ns) {
    const struct world *world = k->world;
    static const char *const places[] = {"outside the library", "inside the library", "between take and put"};
    printf("kill-test: seed %llu, %d workers, %d slots, leases of %d ms, broken: %s\n", (unsigned long long)k->seed,
           WORKERS, SLOTS, LEASE_MS, broken_names[broken]);
    printf("  %-32s%8llu of %llu in %.1f s\n", "killed", (unsigned long long)k->kills, (unsigned long long)wanted,
           (double)ns / 1e9);
    for (int i = PLACE_HOLDING; i >= PLACE_OUTSIDE; i--) {
        printf("    %-30s%8llu  %3.0f %%\n", places[i], (unsigned long long)k->killed_at[i],
               k->kills == 0 ? 0 : 100.0 * (double)k->killed_at[i] / (double)k->kills);
    }
    printf("  %-32s%8llu, %llu of them between take and put\n", "stopped for three leases",
           (unsigned long long)k->stops, (unsigned long long)k->stopped_holding);
    printf("  %-32s%8llu\n", "checks at rest", (unsigned long long)k->checks);
    printf("  %-32s%8llu, and %llu turned back\n", "calls that went through",
           (unsigned long long)atomic_load(&world->granted), (unsigned long long)atomic_load(&world->turned_back));
    printf("  %-32s%8u of %d\n", "most in flight", atomic_load(&world->most), SLOTS);
    printf("  %-32s%8u%s%s\n", "violations", atomic_load(&world->violations),
           atomic_load(&world->violations) > 0 ? ", the first: " : "", world->violation);
}

/* True when no rule was broken. */
static bool run(uint64_t seed, uint64_t kills) {
    struct killer k = {.directory = "/tmp/holdfast-kill-XXXXXX", .seed = seed, .rng = seed};
    k.world = mmap(NULL, sizeof *k.world, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (k.world == MAP_FAILED || mkdtemp(k.directory) == NULL) {
        perror("kill-test");
        exit(2);
    }
    hf_time began = hf__monotonic_now();
    if (house_make(&k.house, k.directory, k.world)) {
        hunt(&k, kills);
        if (sound(&k)) quiet(&k);
    }
    for (uint32_t i = 0; i < WORKERS; i++) {
        if (k.pid[i] > 0) fire(&k, i);
    }
    int64_t ns = hf__monotonic_now() - began;
    if (sound(&k)) check_end(k.world, &k.house, ns);
    if (broken == NOTHING && k.kills >= 40 && k.killed_at[PLACE_HOLDING] * 10 < k.kills)
        violate(k.world, "less than a tenth was killed between take and put: the test tests too little");
    report(&k, kills, ns);
    house_drop(&k.house);
    (void)hf_region_remove("kill-test", k.directory, NULL);
    (void)rmdir(k.directory);
    bool clean = sound(&k);
    (void)munmap(k.world, sizeof *k.world);
    return clean;
}

/* Who is killed where is chance, whatever the seed: on a busy machine 400 kills may all miss the few calls that probe. */
static bool is_found(uint64_t seed) {
    for (uint64_t more = 0; more < 8; more++) {
        if (!run(seed + more, 400)) return true;
    }
    return false;
}

/* A test that cannot fail proves nothing: each broken rule must be found. */
static int prove(uint64_t seed) {
    int wrong = !run(seed, 40);
    for (int rule = OWNERS_NEVER_DIE; rule <= PROBES_NEVER_EXPIRE; rule++) {
        broken = (enum broken)rule;
        if (is_found(seed)) continue;
        printf("FAIL: %s was not found\n", broken_names[rule]);
        wrong++;
    }
    return wrong;
}

static int usage(void) {
    fprintf(stderr, "usage: kill_test [--kills N] [--seed N] [--break owners-never-die|owners-always-dead|"
                    "probes-never-expire]\n");
    return 2;
}

int main(int argc, char **argv) {
    uint64_t kills = 0, seed = 1;
    setvbuf(stdout, NULL, _IOLBF, 0); /* nothing unwritten for a child to write again */
    for (int i = 1; i < argc; i += 2) {
        if (i + 1 == argc) return usage();
        if (strcmp(argv[i], "--kills") == 0) kills = strtoull(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--seed") == 0) seed = strtoull(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--break") == 0) {
            while (broken <= PROBES_NEVER_EXPIRE && strcmp(argv[i + 1], broken_names[broken]) != 0) broken++;
            if (broken > PROBES_NEVER_EXPIRE) return usage();
        } else {
            return usage();
        }
    }
    if (kills == 0 && broken == NOTHING) return prove(seed) != 0;
    return run(seed, kills == 0 ? 400 : kills) ? 0 : 1;
}
