/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "bench.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* What a healthy call must not do, counted exactly: allocate, enter the kernel, write to shared lines.
 *
 * The allocator is replaced for the whole program, the shared library included (HF_API exports it). In arena mode what is
 * allocated comes from pages of their own, which can be made read-only afterwards: a policy that writes to
 * itself then faults. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t align, size_t size);
void __libc_free(void *block);

#define ARENA_SIZE (1u << 20)
#define CALLS 1000

static _Atomic uint64_t allocations, allocated_bytes;
static char *arena;
static size_t arena_used;
static bool use_arena;

static void *take(size_t size, size_t align) {
    atomic_fetch_add(&allocations, 1);
    atomic_fetch_add(&allocated_bytes, size);
    if (!use_arena) return NULL;
    arena_used = (arena_used + align - 1) / align * align;
    void *block = arena + arena_used; /* zero pages */
    arena_used += size;
    if (arena_used > ARENA_SIZE) abort();
    return block;
}

HF_API void *malloc(size_t size) {
    void *block = take(size, 64);
    return block != NULL ? block : __libc_malloc(size);
}

HF_API void *calloc(size_t count, size_t size) {
    void *block = take(count * size, 64);
    return block != NULL ? block : __libc_calloc(count, size);
}

HF_API void *realloc(void *old, size_t size) {
    (void)take(size, 64);
    return __libc_realloc(old, size);
}

HF_API void *aligned_alloc(size_t align, size_t size) {
    void *block = take(size, align);
    return block != NULL ? block : __libc_memalign(align, size);
}

HF_API void free(void *block) {
    if (arena != NULL && (char *)block >= arena && (char *)block < arena + ARENA_SIZE) return;
    __libc_free(block);
}

static uint64_t count_allocations(void) {
    uint64_t before = atomic_load(&allocations);
    for (int i = 0; i < CALLS; i++) bench_six_once();
    return atomic_load(&allocations) - before;
}

/* In a child that is traced: its system calls between two getppid are counted. */
static uint64_t count_system_calls(void) {
    pid_t child = fork();
    if (child == 0) {
        ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        raise(SIGSTOP);
        bench_six_once(); /* a child draws new seeds at its first call */
        (void)getppid();
        for (int i = 0; i < CALLS; i++) bench_six_once();
        (void)getppid();
        _exit(0);
    }
    uint64_t stops = 0;
    int status, marks = 0;
    bool entering = true;
    waitpid(child, &status, 0);
    ptrace(PTRACE_SETOPTIONS, child, NULL, (void *)(long)PTRACE_O_TRACESYSGOOD);
    while (ptrace(PTRACE_SYSCALL, child, NULL, NULL) == 0 && waitpid(child, &status, 0) == child &&
           WIFSTOPPED(status)) {
        if (WSTOPSIG(status) != (SIGTRAP | 0x80)) continue;
        struct __ptrace_syscall_info info;
        ptrace(PTRACE_GET_SYSCALL_INFO, child, (void *)sizeof info, &info);
        entering = info.op == PTRACE_SYSCALL_INFO_ENTRY;
        if (!entering) continue;
        if (info.entry.nr == SYS_getppid) marks++;
        else if (marks == 1) stops++;
    }
    return marks == 2 ? stops : UINT64_MAX;
}

static volatile sig_atomic_t faults;

/* A write to a policy: counted, and let through by making the pages writable until the call is over. */
static void on_fault(int signal_number, siginfo_t *info, void *context) {
    (void)signal_number, (void)context;
    char *at = info->si_addr;
    if (at < arena || at >= arena + ARENA_SIZE) _exit(3);
    faults++;
    mprotect(arena, ARENA_SIZE, PROT_READ | PROT_WRITE);
}

/* Policies in read-only pages: each healthy call that writes to one of them faults at least once. */
static uint64_t count_shared_writes(void) {
    hf_error error;
    hf_breaker *breaker;
    hf_retry *retry;
    hf_timeout *timeout;
    hf_pipeline *pipeline;
    use_arena = true;
    if (hf_breaker_new(&breaker, "breaker", NULL, &error) < 0 ||
        hf_retry_new(&retry, "retry", NULL, NULL, &error) < 0 ||
        hf_timeout_new(&timeout, "timeout", NULL, &error) < 0) {
        abort();
    }
    use_arena = false;
    hf_policy *order[] = {hf_retry_policy(retry), hf_breaker_policy(breaker), hf_timeout_policy(timeout)};
    if (hf_pipeline_new(&pipeline, "read-only", order, 3, &error) < 0) abort();
    bench_run_on(pipeline, 300);
    struct sigaction action, before;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGSEGV, &action, &before);
    for (int i = 0; i < CALLS; i++) {
        mprotect(arena, ARENA_SIZE, PROT_READ);
        bench_run_on(pipeline, 1);
    }
    mprotect(arena, ARENA_SIZE, PROT_READ | PROT_WRITE);
    sigaction(SIGSEGV, &before, NULL);
    hf_pipeline_free(pipeline);
    hf_breaker_free(breaker);
    hf_retry_free(retry);
    hf_timeout_free(timeout);
    return (uint64_t)faults;
}

static uint64_t pipeline_bytes(void) {
    hf_pipeline *pipeline;
    uint64_t before = atomic_load(&allocated_bytes);
    if (hf_pipeline_new(&pipeline, "size", NULL, 0, NULL) < 0) abort();
    uint64_t bytes = atomic_load(&allocated_bytes) - before;
    hf_pipeline_free(pipeline);
    return bytes;
}

static uint64_t breaker_time_bytes(void) {
    hf_breaker_config config;
    hf_breaker_config_init(&config);
    config.window_kind = HF_BREAKER_BY_TIME;
    config.slow_call_ms = 1000;
    return hf_breaker_state_bytes(&config);
}

struct bench_facts bench_count_facts(void) {
    arena = mmap(NULL, ARENA_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (arena == MAP_FAILED) abort();
    return (struct bench_facts){
        .allocations = count_allocations(),
        .system_calls = count_system_calls(),
        .shared_writes = count_shared_writes(),
        .breaker_bytes = hf_breaker_state_bytes(NULL),
        .breaker_time_bytes = breaker_time_bytes(),
        .pipeline_bytes = pipeline_bytes(),
    };
}
