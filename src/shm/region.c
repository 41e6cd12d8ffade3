/* SPDX-License-Identifier: MIT */
#include "shm/region_handle.h"

#include "base/given.h"
#include "os/error_text.h"
#include "os/must.h"
#include "os/shared_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void hf_region_config_init(hf_region_config *config) {
    *config = (hf_region_config){
        .struct_size = (uint32_t)sizeof *config,
        .on_mismatch = HF_REGION_REFUSE,
        .size_kib = 256,
        .name = NULL,
        .directory = NULL,
    };
}

/* ---- configuration ---- */

static int check(const hf_region_config *c, const char *title, hf_error *error) {
    if (c->on_mismatch != HF_REGION_REFUSE && c->on_mismatch != HF_REGION_LOCAL) {
        return hf__error_set(error, HF_E_INVALID, "region \"%s\": on_mismatch is %d, expected 0 or 1", title,
                             (int)c->on_mismatch);
    }
    if (c->size_kib < 64 || c->size_kib > 65536) {
        return hf__error_set(error, HF_E_INVALID, "region \"%s\": size_kib is %u, expected 64 to 65536", title,
                             (unsigned)c->size_kib);
    }
    return 0;
}

/* ---- attaching ---- */

static int system_error(const hf_region *region, const char *what, hf_error *error) {
    int reason = errno;
    return hf__error_set(error, reason == ENOSYS ? HF_E_UNSUPPORTED : HF_E_SYSTEM, "region \"%s\": %s: %s",
                         region->title, what, hf__errno_text(reason));
}

/* Under the lock: makes the file a region, or sees that it is one. */
static int settle_file(hf_region *region, hf_error *error) {
    int64_t found = hf__shared_size(region->file);
    if (found < 0) return system_error(region, "its file cannot be inspected", error);
    bool fresh = found == 0;
    if (!fresh && (uint64_t)found != region->size) {
        return hf__error_set(error, HF_E_STATE,
                             "region \"%s\": the file has %lld bytes, expected %llu (size_kib, or truncated)",
                             region->title, (long long)found, (unsigned long long)region->size);
    }
    if ((fresh && !hf__shared_empty(region->file, region->size)) || !hf__shared_reserve(region->file, region->size))
        return system_error(region, "no room for its file", error);
    region->map = hf__shared_map(region->file, region->size, true);
    if (region->map == NULL) return system_error(region, "its file cannot be mapped", error);
    enum hf__header_state state =
        fresh ? HF__HEADER_UNMADE : hf__region_read_header(region->map, region->size, region->title, error);
    if (state == HF__HEADER_BAD) return HF_E_STATE;
    if (state == HF__HEADER_UNKNOWN) return HF_E_SYSTEM;
    if (state == HF__HEADER_GOOD) return 0;
    if (!fresh) memset((void *)region->map, 0, region->size); /* from before a reboot, or its maker died */
    if (hf__region_write_header(region->map, region->size)) return 0;
    return system_error(region, "the system does not tell its boot id", error);
}

/* Under the lock: a fork of another thread looks at it. */
static bool keep_file(hf_region *region, int file) {
    HF_MUST(pthread_mutex_lock(&region->mutex) == 0);
    region->file = file;
    HF_MUST(pthread_mutex_unlock(&region->mutex) == 0);
    return file >= 0;
}

static int open_file(hf_region *region, const hf_region_config *config, hf_error *error) {
    if (config->name == NULL) {
        if (!keep_file(region, hf__shared_anonymous(region->size)))
            return system_error(region, "no anonymous shared memory", error);
        region->map = hf__shared_map(region->file, region->size, true);
        if (region->map == NULL) return system_error(region, "it cannot be mapped", error);
        (void)hf__region_write_header(region->map, region->size); /* nobody attaches to it */
        return 0;
    }
    char path[HF__REGION_PATH_SIZE];
    int rc = hf__region_path(path, config->name, config->directory, error);
    if (rc < 0) return rc;
    if (!keep_file(region, hf__shared_open(path, true))) return hf__region_open_error(region->title, path, error);
    if (!hf__region_begin_change(region)) {
        return hf__error_set(
            error, HF_E_SYSTEM,
            "region \"%s\": %.96s cannot be locked: no descriptor, or another process was stopped inside",
            region->title, path);
    }
    rc = settle_file(region, error);
    hf__region_end_change(region);
    return rc;
}

/* Under the lock that forks take: a child must not inherit the description of our locks unseen, nor meet memory that is
 * half given back. */
static void close_file(hf_region *region) {
    HF_MUST(pthread_mutex_lock(&region->mutex) == 0);
    if (region->map != NULL) {
        if (region->file >= 0) hf__shared_unmap(region->map, region->size);
        else free(region->map);
    }
    if (region->locked.lock_file >= 0) close(region->locked.lock_file);
    if (region->file >= 0) close(region->file);
    region->map = NULL;
    region->file = region->locked.lock_file = -1;
    HF_MUST(pthread_mutex_unlock(&region->mutex) == 0);
}

static int make_local(hf_region *region, hf_error *error) {
    /* On a cache line, as a mapping would be. */
    struct hf__region_map *map = aligned_alloc(HF__REGION_LINE, region->size);
    if (map == NULL) {
        return hf__error_set(error, HF_E_NOMEM, "region \"%s\": no memory for %llu bytes", region->title,
                             (unsigned long long)region->size);
    }
    memset((void *)map, 0, region->size);
    (void)hf__region_write_header(map, region->size);
    HF_MUST(pthread_mutex_lock(&region->mutex) == 0);
    region->map = map;
    hf__region_own_local_locked(region);
    HF_MUST(pthread_mutex_unlock(&region->mutex) == 0);
    return 0;
}

static int no_owner(hf_region *region, hf_error *error) {
    HF_MUST(pthread_mutex_lock(&region->mutex) == 0);
    bool opened = hf__region_lock_file_locked(region);
    int reason = errno;
    HF_MUST(pthread_mutex_unlock(&region->mutex) == 0);
    if (opened) {
        return hf__error_set(error, HF_E_SYSTEM, "region \"%s\": all %d process slots are taken", region->title,
                             HF_REGION_PROCESSES_MAX);
    }
    return hf__error_set(error, HF_E_SYSTEM, "region \"%s\": no second description of its file by /proc/self/fd: %s",
                         region->title, hf__errno_text(reason));
}

static int attach(hf_region *region, const hf_region_config *config, hf_error *error) {
    int rc = open_file(region, config, error);
    if (rc == 0 && hf__region_owner(region) == 0) rc = no_owner(region, error);
    if (rc < 0) close_file(region);
    if (rc == HF_E_INVALID || rc == 0 || region->on_mismatch != HF_REGION_LOCAL) return rc;
    return make_local(region, error);
}

static int resolve(hf_region_config *chosen, const hf_region_config *given, hf_error *error) {
    hf_region_config_init(chosen);
    if (hf__given_copy(chosen, sizeof *chosen, given)) return 0;
    return hf__error_set(error, HF_E_INVALID,
                         "region: struct_size is %u, expected at most %zu: fill the configuration with "
                         "hf_region_config_init first",
                         (unsigned)given->struct_size, sizeof *chosen);
}

int hf_region_new(hf_region **out_region, const hf_region_config *config, hf_error *error) {
    if (out_region == NULL)
        return hf__error_set(error, HF_E_INVALID, "region: there is nowhere to put the handle (NULL)");
    *out_region = NULL;
    hf_region_config chosen;
    int rc = resolve(&chosen, config, error);
    if (rc == 0 && chosen.name != NULL) rc = hf__region_check_name(chosen.name, error);
    if (rc == 0) rc = check(&chosen, chosen.name == NULL ? "(anonymous)" : chosen.name, error);
    if (rc < 0) return rc;
    hf_region *region = calloc(1, sizeof *region);
    if (region == NULL) return hf__error_set(error, HF_E_NOMEM, "region: no memory for the handle");
    atomic_init(&region->references, 1);
    region->size = (uint64_t)chosen.size_kib * 1024;
    region->file = region->locked.lock_file = region->locked.for_child = -1;
    region->on_mismatch = chosen.on_mismatch;
    snprintf(region->title, sizeof region->title, "%s", chosen.name == NULL ? "(anonymous)" : chosen.name);
    if (pthread_mutex_init(&region->mutex, NULL) != 0) {
        free(region);
        return hf__error_set(error, HF_E_SYSTEM, "region: the system gives no mutex");
    }
    /* Known to the fork handlers before it has anything that a child must not inherit. */
    bool listed = hf__region_list_add(region);
    if (listed) rc = attach(region, &chosen, error);
    else rc = hf__error_set(error, HF_E_NOMEM, "region \"%s\": no memory for the fork handlers", region->title);
    if (rc < 0) {
        if (listed) hf__region_list_remove(region);
        HF_MUST(pthread_mutex_destroy(&region->mutex) == 0);
        free(region);
        return rc;
    }
    *out_region = region;
    return 0;
}

hf_region *hf__region_ref(hf_region *region) {
    atomic_fetch_add_explicit(&region->references, 1, memory_order_relaxed);
    return region;
}

void hf__region_unref(hf_region *region) {
    if (region == NULL) return;
    if (atomic_fetch_sub_explicit(&region->references, 1, memory_order_acq_rel) != 1) return;
    close_file(region);
    hf__region_list_remove(region);
    HF_MUST(pthread_mutex_destroy(&region->mutex) == 0);
    free(region);
}

void hf_region_free(hf_region *region) { hf__region_unref(region); }

int hf_region_remove(const char *name, const char *directory, hf_error *error) {
    char path[HF__REGION_PATH_SIZE];
    if (name == NULL) return hf__error_set(error, HF_E_INVALID, "region: name is NULL");
    int rc = hf__region_path(path, name, directory, error);
    if (rc < 0 || unlink(path) == 0 || errno == ENOENT) return rc;
    return hf__error_set(error, HF_E_SYSTEM, "region \"%s\": %.96s: %s", name, path, hf__errno_text(errno));
}

int hf_region_inspect(hf_region *region, hf_region_info *out_info) {
    if (region == NULL || out_info == NULL || out_info->struct_size < sizeof *out_info) return HF_E_INVALID;
    uint32_t given = out_info->struct_size;
    *out_info = (hf_region_info){.struct_size = given, .local = region->file < 0};
    hf__region_describe(region->map, region->size, out_info);
    for (uint32_t slot = 1; slot <= HF_REGION_PROCESSES_MAX; slot++) {
        out_info->processes += hf__region_slot_alive(region, slot);
    }
    out_info->fallbacks = atomic_load_explicit(&region->fallbacks, memory_order_relaxed);
    return 0;
}
