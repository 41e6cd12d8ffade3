/* SPDX-License-Identifier: MIT */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* RTLD_NEXT */
#endif
#include "support/alloc_fault.h"

#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* What dlsym itself may allocate before there is anything to allocate with. Never given back. */
static _Alignas(max_align_t) unsigned char early[4096];
static size_t early_used;

static struct {
    void *(*malloc)(size_t);
    void *(*calloc)(size_t, size_t);
    void *(*realloc)(void *, size_t);
    void *(*memalign)(size_t, size_t);
    void (*free)(void *);
} real;

static _Atomic int64_t live;
static _Atomic uint32_t period, turn;    /* of alloc_fault_every */
static _Thread_local uint64_t countdown; /* 0: not armed, or failed already */
static _Thread_local bool failing, failed, stays;

static void *symbol(const char *name) {
    void *found = dlsym(RTLD_NEXT, name);
    if (found == NULL) abort();
    return found;
}

/* ISO C has no conversion from object to function pointers; POSIX does. */
#define FIND(name) (*(void **)(void *)&real.name = symbol(#name))

/* True when there is something to allocate with: false only while dlsym looks for it. Libraries allocate before any
 * constructor of this program could run. */
static bool found_all(void) {
    static bool searching;
    if (real.free != NULL || searching) return real.free != NULL;
    searching = true;
    FIND(malloc);
    FIND(calloc);
    FIND(realloc);
    FIND(memalign);
    FIND(free);
    return true;
}

static void *from_early(size_t size) {
    size = (size + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t);
    if (size > sizeof early - early_used) abort();
    void *block = early + early_used;
    early_used += size;
    return block;
}

static bool is_early(const void *block) {
    return (const unsigned char *)block >= early && (const unsigned char *)block < early + sizeof early;
}

/* Does the code at this address belong to the program and not to a shared library? */
static bool is_ours(const void *code) {
    extern const char __executable_start[], etext[]; /* by the linker */
    return (uintptr_t)code >= (uintptr_t)__executable_start && (uintptr_t)code < (uintptr_t)etext;
}

/* Is it this one that fails? */
static bool fails_now(const void *caller) {
    uint32_t k = atomic_load_explicit(&period, memory_order_relaxed);
    bool chosen = k > 0 && is_ours(caller) && atomic_fetch_add_explicit(&turn, 1, memory_order_relaxed) % k == k - 1;
    if (failing || (countdown > 0 && --countdown == 0)) {
        chosen = failed = true;
        failing = stays;
    }
    if (chosen) errno = ENOMEM;
    return chosen;
}

static void *counted(void *block) {
    if (block != NULL) atomic_fetch_add_explicit(&live, 1, memory_order_relaxed);
    return block;
}

static void *allocate(size_t size, const void *caller) {
    if (!found_all()) return from_early(size);
    return fails_now(caller) ? NULL : counted(real.malloc(size));
}

static void *align(size_t alignment, size_t size, const void *caller) {
    if (!found_all()) abort();
    return fails_now(caller) ? NULL : counted(real.memalign(alignment, size));
}

#define CALLER __builtin_return_address(0)

/* Seen by shared libraries too, whatever -fvisibility says. */
#pragma GCC visibility push(default)

void *malloc(size_t size) { return allocate(size, CALLER); }

void *calloc(size_t count, size_t size) {
    if (!found_all()) return from_early(count * size); /* zero, as it is static */
    return fails_now(CALLER) ? NULL : counted(real.calloc(count, size));
}

void *realloc(void *block, size_t size) {
    if (block == NULL) return allocate(size, CALLER);
    if (is_early(block)) abort();
    return size > 0 && fails_now(CALLER) ? NULL : real.realloc(block, size);
}

void free(void *block) {
    if (block == NULL || is_early(block) || !found_all()) return;
    atomic_fetch_sub_explicit(&live, 1, memory_order_relaxed);
    real.free(block);
}

void *memalign(size_t alignment, size_t size) { return align(alignment, size, CALLER); }

void *aligned_alloc(size_t alignment, size_t size) { return align(alignment, size, CALLER); }

int posix_memalign(void **out, size_t alignment, size_t size) {
    void *block = align(alignment, size, CALLER);
    if (block == NULL) return ENOMEM;
    *out = block;
    return 0;
}

static char *duplicate(const char *text, size_t length, const void *caller) {
    char *copy = allocate(length + 1, caller);
    if (copy == NULL) return NULL;
    memcpy(copy, text, length);
    copy[length] = '\0';
    return copy;
}

/* The address sanitizer's own would not come by here. */
char *strdup(const char *text) { return duplicate(text, strlen(text), CALLER); }

char *strndup(const char *text, size_t size) { return duplicate(text, strnlen(text, size), CALLER); }

#pragma GCC visibility pop

void alloc_fault_arm(uint64_t nth, bool and_after) {
    countdown = nth;
    failing = failed = false;
    stays = and_after;
}

bool alloc_fault_disarm(void) {
    countdown = 0;
    failing = false;
    return failed;
}

void alloc_fault_every(uint32_t k) { atomic_store_explicit(&period, k, memory_order_relaxed); }

int64_t alloc_fault_live(void) { return atomic_load_explicit(&live, memory_order_relaxed); }
