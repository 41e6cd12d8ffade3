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
static _Thread_local uint64_t countdown; /* 0: not armed, or failed already */
static _Thread_local bool failing, failed, stays;

static void *symbol(const char *name) {
    void *found = dlsym(RTLD_NEXT, name);
    if (found == NULL) abort();
    return found;
}

/* ISO C has no conversion from object to function pointers; POSIX does. */
#define FIND(name) (*(void **)(void *)&real.name = symbol(#name))

__attribute__((constructor)) static void find_all(void) {
    if (real.free != NULL) return;
    FIND(malloc);
    FIND(calloc);
    FIND(realloc);
    FIND(memalign);
    FIND(free);
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

/* Is it this one that fails? */
static bool fails_now(void) {
    if (failing || (countdown > 0 && --countdown == 0)) {
        failed = true;
        failing = stays;
        errno = ENOMEM;
        return true;
    }
    return false;
}

static void *counted(void *block) {
    if (block != NULL) atomic_fetch_add_explicit(&live, 1, memory_order_relaxed);
    return block;
}

void *malloc(size_t size) {
    if (real.malloc == NULL) return from_early(size);
    return fails_now() ? NULL : counted(real.malloc(size));
}

void *calloc(size_t count, size_t size) {
    if (real.calloc == NULL) return from_early(count * size); /* zero, as it is static */
    return fails_now() ? NULL : counted(real.calloc(count, size));
}

void *realloc(void *block, size_t size) {
    if (block == NULL) return malloc(size);
    if (is_early(block)) abort();
    return size > 0 && fails_now() ? NULL : real.realloc(block, size);
}

void free(void *block) {
    if (block == NULL || is_early(block)) return;
    atomic_fetch_sub_explicit(&live, 1, memory_order_relaxed);
    real.free(block);
}

void *memalign(size_t alignment, size_t size) { return fails_now() ? NULL : counted(real.memalign(alignment, size)); }

void *aligned_alloc(size_t alignment, size_t size) { return memalign(alignment, size); }

int posix_memalign(void **out, size_t alignment, size_t size) {
    void *block = memalign(alignment, size);
    if (block == NULL) return ENOMEM;
    *out = block;
    return 0;
}

/* The address sanitizer's own would not come by here. */
char *strndup(const char *text, size_t size) {
    size_t length = strnlen(text, size);
    char *copy = malloc(length + 1);
    if (copy == NULL) return NULL;
    memcpy(copy, text, length);
    copy[length] = '\0';
    return copy;
}

char *strdup(const char *text) { return strndup(text, strlen(text)); }

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

int64_t alloc_fault_live(void) { return atomic_load_explicit(&live, memory_order_relaxed); }
