/* SPDX-License-Identifier: MIT */
#include "shm/region_handle.h"

#include "os/boot.h"
#include "os/error_text.h"
#include "os/must.h"
#include "os/shared_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_DIRECTORY "/dev/shm"
#define PATH_SIZE 512

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

static bool name_char(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
           c == '.';
}

static int check_name(const char *name, hf_error *error) {
    size_t length = strlen(name);
    bool good = length > 0 && length <= HF_NAME_MAX && name[0] != '.' && name[length - 1] != '.';
    for (size_t i = 0; i < length && good; i++) good = name_char(name[i]);
    if (good) return 0;
    return hf__error_set(error, HF_E_INVALID,
                         "region \"%.64s\": name is not allowed, expected 1 to %d of A-Z a-z 0-9 _ - and inner dots",
                         name, HF_NAME_MAX);
}

static int make_path(char *path, const char *name, const char *directory, hf_error *error) {
    int rc = check_name(name, error);
    if (rc < 0) return rc;
    if (directory == NULL) directory = DEFAULT_DIRECTORY;
    /* The layout is in the name: programs of two versions have a region each. */
    int length = snprintf(path, PATH_SIZE, "%s/holdfast-%u.%s", directory, HF__REGION_LAYOUT, name);
    if (length > 0 && length < PATH_SIZE && directory[0] == '/') return 0;
    return hf__error_set(error, HF_E_INVALID,
                         "region \"%s\": directory is \"%.64s\", expected an absolute path of at most %d characters",
                         name, directory, PATH_SIZE - (int)sizeof "/holdfast-1." - HF_NAME_MAX);
}

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

/* ---- header ---- */

/* FNV-1a over everything that the layout depends on. */
static uint64_t configuration_hash(uint64_t size) {
    const uint64_t facts[] = {HF__REGION_LAYOUT,    size,        HF_REGION_PROCESSES_MAX, HF_REGION_OBJECTS_MAX,
                              HF__REGION_RULES_MAX, HF_NAME_MAX, HF__OWNER_SERIAL_BITS};
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < sizeof facts / sizeof facts[0]; i++) {
        for (int byte = 0; byte < 8; byte++) {
            hash ^= (facts[i] >> (8 * byte)) & 0xff;
            hash *= UINT64_C(0x100000001b3);
        }
    }
    return hash;
}

static void write_header(hf_region *region) {
    struct hf__boot boot = hf__boot_now();
    struct hf__region_header *header = &region->map->header;
    header->layout = HF__REGION_LAYOUT;
    header->word_bytes = (uint32_t)sizeof(void *);
    header->size = region->size;
    header->configuration = configuration_hash(region->size);
    header->time_namespace = boot.time_namespace;
    memcpy(header->boot_id, boot.id, sizeof header->boot_id);
    atomic_store_explicit(&header->magic, HF__REGION_MAGIC, memory_order_release);
}

enum header_state { HEADER_GOOD, HEADER_UNMADE, HEADER_OLD_BOOT, HEADER_BAD };

static enum header_state read_header(const hf_region *region, hf_error *error) {
    struct hf__boot boot = hf__boot_now();
    const struct hf__region_header *header = &region->map->header;
    uint64_t magic = atomic_load_explicit(&header->magic, memory_order_acquire);
    const char *what = NULL;
    if (magic == 0) return HEADER_UNMADE; /* its maker died; nobody uses it */
    if (magic != HF__REGION_MAGIC) what = "is no region (magic)";
    else if (header->layout != HF__REGION_LAYOUT) what = "has another layout version";
    else if (memcmp(header->boot_id, boot.id, sizeof boot.id) != 0) return HEADER_OLD_BOOT;
    else if (header->word_bytes != sizeof(void *)) what = "was made by a program of another word size";
    else if (header->size != region->size) what = "was made with another size_kib";
    else if (header->configuration != configuration_hash(region->size)) what = "was made with other limits";
    else if (header->time_namespace != boot.time_namespace) what = "belongs to another time namespace";
    if (what == NULL) return HEADER_GOOD;
    hf__error_set(error, HF_E_STATE, "region \"%s\": the file %s", region->title, what);
    return HEADER_BAD;
}

/* ---- attaching ---- */

/* In the system's words: glibc from 2.32 on and musl answer with memory of the thread. */
static const char *reason_text(int reason) { return strerror(reason); } // NOLINT(concurrency-mt-unsafe)

static int system_error(const hf_region *region, const char *what, hf_error *error) {
    int reason = errno;
    return hf__error_set(error, reason == ENOSYS ? HF_E_UNSUPPORTED : HF_E_SYSTEM, "region \"%s\": %s: %s",
                         region->title, what, reason_text(reason));
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
    if (fresh && !hf__shared_empty(region->file, region->size))
        return system_error(region, "no room for its file", error);
    region->map = hf__shared_map(region->file, region->size, true);
    if (region->map == NULL) return system_error(region, "its file cannot be mapped", error);
    enum header_state state = fresh ? HEADER_UNMADE : read_header(region, error);
    if (state == HEADER_BAD) return HF_E_STATE;
    if (state == HEADER_GOOD) return 0;
    if (!fresh) memset((void *)region->map, 0, region->size); /* from before a reboot, or its maker died */
    write_header(region);
    return 0;
}

static int open_file(hf_region *region, const hf_region_config *config, hf_error *error) {
    if (config->name == NULL) {
        region->file = hf__shared_anonymous(region->size);
        if (region->file < 0) return system_error(region, "no anonymous shared memory", error);
        region->map = hf__shared_map(region->file, region->size, true);
        if (region->map == NULL) return system_error(region, "it cannot be mapped", error);
        write_header(region);
        return 0;
    }
    char path[PATH_SIZE];
    int rc = make_path(path, config->name, config->directory, error);
    if (rc < 0) return rc;
    region->file = hf__shared_open(path, true);
    if (region->file < 0) {
        int reason = errno;
        return hf__error_set(error, HF_E_SYSTEM, "region \"%s\": %.96s: %s", region->title, path,
                             reason == EPERM ? "not a regular file of this user alone" : reason_text(reason));
    }
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

static void close_file(hf_region *region) {
    if (region->map != NULL) {
        if (region->file >= 0) hf__shared_unmap(region->map, region->size);
        else free(region->map);
    }
    if (region->locked.lock_file >= 0) close(region->locked.lock_file);
    if (region->file >= 0) close(region->file);
    region->map = NULL;
    region->file = region->locked.lock_file = -1;
}

static int make_local(hf_region *region, hf_error *error) {
    /* On a cache line, as a mapping would be. */
    region->map = aligned_alloc(HF__REGION_LINE, region->size);
    if (region->map == NULL) {
        return hf__error_set(error, HF_E_NOMEM, "region \"%s\": no memory for %llu bytes", region->title,
                             (unsigned long long)region->size);
    }
    memset((void *)region->map, 0, region->size);
    write_header(region);
    atomic_store_explicit(&region->map->process[1].word, (uint64_t)(uint32_t)getpid() << 32, memory_order_relaxed);
    atomic_store_explicit(&region->owner, UINT32_C(1) << HF__OWNER_SERIAL_BITS, memory_order_relaxed);
    return 0;
}

static int attach(hf_region *region, const hf_region_config *config, hf_error *error) {
    int rc = open_file(region, config, error);
    if (rc == 0 && hf__region_owner(region) == 0) {
        rc = hf__error_set(error, HF_E_SYSTEM, "region \"%s\": no descriptor, or all %d process slots are taken",
                           region->title, HF_REGION_PROCESSES_MAX);
    }
    if (rc < 0) close_file(region);
    if (rc == HF_E_INVALID || rc == 0 || region->on_mismatch != HF_REGION_LOCAL) return rc;
    return make_local(region, error);
}

static int resolve(hf_region_config *chosen, const hf_region_config *given, hf_error *error) {
    hf_region_config_init(chosen);
    if (given == NULL) return 0;
    if (given->struct_size < sizeof given->struct_size || given->struct_size > sizeof *chosen) {
        return hf__error_set(error, HF_E_INVALID,
                             "region: struct_size is %u, expected at most %zu: fill the configuration with "
                             "hf_region_config_init first",
                             (unsigned)given->struct_size, sizeof *chosen);
    }
    memcpy(chosen, given, given->struct_size);
    return 0;
}

int hf_region_new(hf_region **out_region, const hf_region_config *config, hf_error *error) {
    if (out_region == NULL)
        return hf__error_set(error, HF_E_INVALID, "region: there is nowhere to put the handle (NULL)");
    *out_region = NULL;
    hf_region_config chosen;
    int rc = resolve(&chosen, config, error);
    if (rc == 0 && chosen.name != NULL) rc = check_name(chosen.name, error);
    if (rc == 0) rc = check(&chosen, chosen.name == NULL ? "(anonymous)" : chosen.name, error);
    if (rc < 0) return rc;
    hf_region *region = calloc(1, sizeof *region);
    if (region == NULL) return hf__error_set(error, HF_E_NOMEM, "region: no memory for the handle");
    atomic_init(&region->references, 1);
    region->size = (uint64_t)chosen.size_kib * 1024;
    region->file = region->locked.lock_file = -1;
    region->on_mismatch = chosen.on_mismatch;
    snprintf(region->title, sizeof region->title, "%s", chosen.name == NULL ? "(anonymous)" : chosen.name);
    if (pthread_mutex_init(&region->mutex, NULL) != 0) {
        free(region);
        return hf__error_set(error, HF_E_SYSTEM, "region: the system gives no mutex");
    }
    rc = attach(region, &chosen, error);
    if (rc == 0 && !hf__region_list_add(region)) {
        close_file(region);
        rc = hf__error_set(error, HF_E_NOMEM, "region \"%s\": no memory for the fork handlers", region->title);
    }
    if (rc < 0) {
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
    hf__region_list_remove(region);
    close_file(region);
    HF_MUST(pthread_mutex_destroy(&region->mutex) == 0);
    free(region);
}

void hf_region_free(hf_region *region) { hf__region_unref(region); }

int hf_region_remove(const char *name, const char *directory, hf_error *error) {
    char path[PATH_SIZE];
    if (name == NULL) return hf__error_set(error, HF_E_INVALID, "region: name is NULL");
    int rc = make_path(path, name, directory, error);
    if (rc < 0 || unlink(path) == 0 || errno == ENOENT) return rc;
    return hf__error_set(error, HF_E_SYSTEM, "region \"%s\": %.96s: %s", name, path, reason_text(errno));
}

int hf_region_inspect(hf_region *region, hf_region_info *out_info) {
    if (region == NULL || out_info == NULL || out_info->struct_size < sizeof *out_info) return HF_E_INVALID;
    uint32_t given = out_info->struct_size;
    *out_info = (hf_region_info){.struct_size = given, .local = region->file < 0, .size_bytes = region->size};
    for (uint32_t i = 0; i < HF_REGION_OBJECTS_MAX; i++) {
        out_info->objects += atomic_load_explicit(&region->map->entry[i].kind, memory_order_acquire) != 0;
    }
    for (uint32_t slot = 1; slot <= HF_REGION_PROCESSES_MAX; slot++) {
        out_info->processes += hf__region_slot_alive(region, slot);
    }
    out_info->free_bytes =
        region->size - offsetof(struct hf__region_map, arena) - hf__region_used(region->map, region->size);
    HF_MUST(pthread_mutex_lock(&region->mutex) == 0);
    out_info->fallbacks = region->locked.fallbacks;
    HF_MUST(pthread_mutex_unlock(&region->mutex) == 0);
    return 0;
}
