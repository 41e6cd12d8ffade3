/* SPDX-License-Identifier: MIT */
#include "shm/region_handle.h"

#include "os/error_text.h"
#include "os/monotonic.h"
#include "os/must.h"
#include "os/shared_file.h"
#include "os/waiter.h"

#include <assert.h>
#include <string.h>

/* Which policy is where. Entries are made under the file lock, found by name and kind, and never freed. An
 * entry's `kind` is written last: a process that dies before leaves a free entry, and no room is lost, since
 * what is used follows from the entries. Everything read from here is checked before it is believed. */

#define PATIENCE (2 * HF_SECOND)

const char *hf_region_kind_name(int32_t kind) {
    switch ((hf_region_kind)kind) {
    case HF_REGION_BREAKER: return "breaker";
    case HF_REGION_BULKHEAD: return "bulkhead";
    case HF_REGION_BUDGET: return "budget";
    case HF_REGION_RATE_LIMIT: return "rate limit";
    }
    return "unknown";
}

bool hf__region_begin_change(hf_region *region) {
    HF_MUST(pthread_mutex_lock(&region->mutex) == 0);
    if (region->file < 0) return true;
    hf_time until = hf__monotonic_now() + PATIENCE;
    while (hf__region_lock_file_locked(region)) {
        if (hf__shared_lock(region->locked.lock_file, HF__REGION_LOCK_ENTRIES)) return true;
        hf_time now = hf__monotonic_now();
        if (now >= until) break; /* a process that was stopped in there must not stop all others */
        hf__waiter_nap(now + HF_MILLISECOND);
    }
    HF_MUST(pthread_mutex_unlock(&region->mutex) == 0);
    return false;
}

void hf__region_end_change(hf_region *region) {
    if (region->file >= 0) hf__shared_unlock(region->locked.lock_file, HF__REGION_LOCK_ENTRIES);
    HF_MUST(pthread_mutex_unlock(&region->mutex) == 0);
}

static uint32_t kind_of(const struct hf__region_entry *entry) {
    return atomic_load_explicit(&entry->kind, memory_order_acquire);
}

bool hf__region_entry_valid(const struct hf__region_entry *entry, uint64_t size) {
    uint64_t low = offsetof(struct hf__region_map, arena);
    return entry->offset >= low && entry->offset <= size && entry->offset % HF__REGION_LINE == 0 &&
           entry->bytes <= size - entry->offset && entry->rule_count <= HF__REGION_RULES_MAX &&
           memchr(entry->name, '\0', sizeof entry->name) != NULL;
}

uint64_t hf__region_used(const struct hf__region_map *map, uint64_t size) {
    uint64_t end = offsetof(struct hf__region_map, arena);
    for (uint32_t i = 0; i < HF_REGION_OBJECTS_MAX; i++) {
        if (kind_of(&map->entry[i]) == 0) continue;
        if (!hf__region_entry_valid(&map->entry[i], size)) return size - offsetof(struct hf__region_map, arena);
        uint64_t behind = map->entry[i].offset + map->entry[i].bytes;
        if (behind > end) end = behind;
    }
    return end - offsetof(struct hf__region_map, arena);
}

void hf__region_describe(const struct hf__region_map *map, uint64_t size, hf_region_info *info) {
    info->size_bytes = size;
    for (uint32_t i = 0; i < HF_REGION_OBJECTS_MAX; i++) info->objects += kind_of(&map->entry[i]) != 0;
    info->free_bytes = size - offsetof(struct hf__region_map, arena) - hf__region_used(map, size);
}

/* Does the policy that is there agree with the one that is wanted? */
static int compare(const hf_region *region, const struct hf__region_entry *entry, const struct hf__region_want *want,
                   hf_error *error) {
    const char *kind = hf_region_kind_name((int32_t)want->kind);
    if (!hf__region_entry_valid(entry, region->size)) {
        return hf__error_set(error, HF_E_STATE, "%s \"%s\": its entry in region \"%s\" is corrupted", kind, want->name,
                             region->title);
    }
    for (uint32_t i = 0; i < want->rule_count && i < entry->rule_count; i++) {
        if (entry->rules[i] == want->rules[i].value) continue;
        return hf__error_set(error, HF_E_STATE, "%s \"%s\": %s is %lld, but %lld where region \"%s\" has it already",
                             kind, want->name, want->rules[i].field, (long long)want->rules[i].value,
                             (long long)entry->rules[i], region->title);
    }
    if (entry->rule_count != want->rule_count || entry->bytes != want->bytes) {
        return hf__error_set(
            error, HF_E_STATE,
            "%s \"%s\": %zu bytes and %u rules, but %llu bytes and %u rules where region \"%s\" has it "
            "already: made by another version",
            kind, want->name, want->bytes, (unsigned)want->rule_count, (unsigned long long)entry->bytes,
            (unsigned)entry->rule_count, region->title);
    }
    return 0;
}

static int make(hf_region *region, struct hf__region_entry *entry, const struct hf__region_want *want,
                hf_error *error) {
    uint64_t offset = offsetof(struct hf__region_map, arena) + hf__region_used(region->map, region->size);
    offset = (offset + HF__REGION_LINE - 1) / HF__REGION_LINE * HF__REGION_LINE;
    if (offset > region->size || want->bytes > region->size - offset) {
        return hf__error_set(error, HF_E_STATE,
                             "%s \"%s\": region \"%s\" is full, %zu bytes do not fit: raise size_kib",
                             hf_region_kind_name((int32_t)want->kind), want->name, region->title, want->bytes);
    }
    entry->rule_count = want->rule_count;
    entry->offset = offset;
    entry->bytes = want->bytes;
    memset(entry->name, 0, sizeof entry->name);
    memcpy(entry->name, want->name, strlen(want->name));
    for (uint32_t i = 0; i < want->rule_count; i++) entry->rules[i] = want->rules[i].value;
    memset((unsigned char *)region->map + offset, 0, want->bytes); /* what a maker that died may have left */
    if (want->begin != NULL) want->begin((unsigned char *)region->map + offset, want->begin_arg);
    atomic_store_explicit(&entry->kind, (uint32_t)want->kind, memory_order_release);
    return 0;
}

static int find_or_make(hf_region *region, const struct hf__region_want *want, struct hf__region_entry **out,
                        hf_error *error) {
    uint32_t free_index = HF_REGION_OBJECTS_MAX;
    for (uint32_t i = 0; i < HF_REGION_OBJECTS_MAX; i++) {
        struct hf__region_entry *entry = &region->map->entry[i];
        uint32_t kind = kind_of(entry);
        if (kind == 0 && free_index == HF_REGION_OBJECTS_MAX) free_index = i;
        if (kind != (uint32_t)want->kind || strncmp(entry->name, want->name, sizeof entry->name) != 0) continue;
        *out = entry;
        return compare(region, entry, want, error);
    }
    if (free_index == HF_REGION_OBJECTS_MAX) {
        return hf__error_set(error, HF_E_STATE, "%s \"%s\": region \"%s\" has %d policies already, no more fit",
                             hf_region_kind_name((int32_t)want->kind), want->name, region->title,
                             HF_REGION_OBJECTS_MAX);
    }
    *out = &region->map->entry[free_index];
    return make(region, *out, want, error);
}

int hf__region_place(hf_region *region, const struct hf__region_want *want, void **out_state, hf_error *error) {
    assert(want->rule_count <= HF__REGION_RULES_MAX && strlen(want->name) <= HF_NAME_MAX);
    *out_state = NULL;
    struct hf__region_entry *entry = NULL;
    int rc;
    if (hf__region_begin_change(region)) {
        rc = find_or_make(region, want, &entry, error);
        /* The offset was checked under the lock and is copied: what becomes of the entry later does not matter. */
        assert(rc < 0 || entry != NULL);
        if (rc == 0) *out_state = (unsigned char *)region->map + entry->offset;
        hf__region_end_change(region);
    } else {
        rc = hf__error_set(
            error, HF_E_SYSTEM,
            "%s \"%s\": region \"%s\" cannot be locked: no descriptor, or another process was stopped inside",
            hf_region_kind_name((int32_t)want->kind), want->name, region->title);
    }
    if (rc == 0 || region->on_mismatch != HF_REGION_LOCAL) return rc;
    atomic_fetch_add_explicit(&region->fallbacks, 1, memory_order_relaxed);
    return 0;
}

int hf__region_house(hf_region *region, const struct hf__region_want *want, void *own, void **out_state,
                     hf_region **out_home, hf_error *error) {
    *out_home = NULL;
    *out_state = NULL;
    int rc = region == NULL ? 0 : hf__region_place(region, want, out_state, error);
    if (rc < 0) return rc;
    if (*out_state != NULL) {
        *out_home = hf__region_ref(region);
        return 0;
    }
    *out_state = own;
    if (want->begin != NULL) want->begin(own, want->begin_arg);
    return 0;
}
