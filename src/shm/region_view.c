/* SPDX-License-Identifier: MIT */
#include <holdfast/region_view.h>

#include "shm/region_handle.h"

#include "os/error_text.h"
#include "os/shared_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A region as seen from outside: mapped for reading, without a slot. Nothing changes after it was made. */
struct hf_region_view {
    struct hf__region_map *map; /* for reading only, like all that is found in it */
    uint64_t size;
    int file;
};

/* ---- opening ---- */

static int open_view(hf_region_view *view, const char *name, const char *directory, hf_error *error) {
    char path[HF__REGION_PATH_SIZE];
    int rc = hf__region_path(path, name, directory, error);
    if (rc < 0) return rc;
    view->file = hf__shared_open_read(path);
    if (view->file < 0) return hf__region_open_error(name, path, error);
    int64_t size = hf__shared_size(view->file);
    if (size < HF__REGION_SIZE_MIN || size > HF__REGION_SIZE_MAX) {
        return hf__error_set(error, HF_E_STATE, "region \"%s\": the file has %lld bytes, which is no size of a region",
                             name, (long long)size);
    }
    view->size = (uint64_t)size;
    view->map = hf__shared_map(view->file, view->size, false);
    if (view->map == NULL) {
        return hf__error_set(error, HF_E_SYSTEM, "region \"%s\": its file cannot be mapped: %s", name,
                             hf__errno_text(errno));
    }
    switch (hf__region_read_header(view->map, view->size, name, error)) {
    case HF__HEADER_GOOD: return 0;
    case HF__HEADER_BAD: return HF_E_STATE;
    case HF__HEADER_UNKNOWN: return HF_E_SYSTEM;
    case HF__HEADER_UNMADE:
        return hf__error_set(error, HF_E_STATE, "region \"%s\": nobody has finished making it", name);
    case HF__HEADER_OLD_BOOT: break;
    }
    return hf__error_set(error, HF_E_STATE, "region \"%s\": the file is from before the last boot", name);
}

int hf_region_view_new(hf_region_view **out_view, const char *name, const char *directory, hf_error *error) {
    if (out_view == NULL)
        return hf__error_set(error, HF_E_INVALID, "region view: there is nowhere to put the handle (NULL)");
    *out_view = NULL;
    if (name == NULL) return hf__error_set(error, HF_E_INVALID, "region view: name is NULL");
    hf_region_view *view = calloc(1, sizeof *view);
    if (view == NULL) return hf__error_set(error, HF_E_NOMEM, "region view: no memory for the handle");
    view->file = -1;
    int rc = open_view(view, name, directory, error);
    if (rc < 0) {
        hf_region_view_free(view);
        return rc;
    }
    *out_view = view;
    return 0;
}

void hf_region_view_free(hf_region_view *view) {
    if (view == NULL) return;
    if (view->map != NULL) hf__shared_unmap(view->map, view->size);
    if (view->file >= 0) close(view->file);
    free(view);
}

/* ---- looking ---- */

static bool truncated(const hf_region_view *view) { return hf__shared_size(view->file) != (int64_t)view->size; }

static bool slot_alive(const hf_region_view *view, uint32_t slot) {
    return atomic_load_explicit(&view->map->process[slot].word, memory_order_acquire) != 0 &&
           hf__shared_locked_elsewhere(view->file, HF__REGION_LOCK_PROCESS(slot));
}

bool hf__region_view_alive(const hf_region_view *view, uint32_t owner) {
    uint32_t slot;
    return hf__region_owner_stands(view->map, owner, &slot) && slot_alive(view, slot);
}

int hf_region_view_inspect(hf_region_view *view, hf_region_info *out_info) {
    if (view == NULL || out_info == NULL || out_info->struct_size < sizeof *out_info) return HF_E_INVALID;
    if (truncated(view)) return HF_E_STATE;
    uint32_t given = out_info->struct_size;
    *out_info = (hf_region_info){.struct_size = given};
    hf__region_describe(view->map, view->size, out_info);
    for (uint32_t slot = 1; slot <= HF_REGION_PROCESSES_MAX; slot++) out_info->processes += slot_alive(view, slot);
    return 0;
}

int hf_region_view_process(hf_region_view *view, uint32_t slot, hf_region_process *out_process) {
    if (view == NULL || out_process == NULL || out_process->struct_size < sizeof *out_process) return HF_E_INVALID;
    if (slot < 1 || slot > HF_REGION_PROCESSES_MAX) return HF_E_INVALID;
    if (truncated(view)) return HF_E_STATE;
    const struct hf__region_process *process = &view->map->process[slot];
    uint64_t word = atomic_load_explicit(&process->word, memory_order_acquire);
    if (word == 0) return HF_E_STATE;
    uint32_t given = out_process->struct_size;
    *out_process = (hf_region_process){
        .struct_size = given,
        .pid = (int32_t)(word >> 32),
        .alive = slot_alive(view, slot),
        .attached_at = (hf_time)atomic_load_explicit(&process->started_at, memory_order_relaxed),
    };
    return 0;
}

static bool printable(const char *name) {
    for (; *name != '\0'; name++) {
        if (*name < ' ' || *name > '~') return false;
    }
    return true;
}

/* Copies the entry, so that what is checked is what is used. */
static int find(const hf_region_view *view, uint32_t index, struct hf__region_entry *out) {
    if (view == NULL || index >= HF_REGION_OBJECTS_MAX) return HF_E_INVALID;
    if (truncated(view)) return HF_E_STATE;
    const struct hf__region_entry *entry = &view->map->entry[index];
    uint32_t kind = atomic_load_explicit(&entry->kind, memory_order_acquire);
    if (kind == 0) return HF_E_STATE;
    memcpy(out, entry, sizeof *out);
    atomic_init(&out->kind, kind);
    return hf__region_entry_valid(out, view->size) && printable(out->name) ? 0 : HF_E_STATE;
}

int hf_region_view_object(hf_region_view *view, uint32_t index, hf_region_object *out_object) {
    struct hf__region_entry entry;
    if (out_object == NULL || out_object->struct_size < sizeof *out_object) return HF_E_INVALID;
    int rc = find(view, index, &entry);
    if (rc < 0) return rc;
    uint32_t given = out_object->struct_size;
    *out_object = (hf_region_object){.struct_size = given, .bytes = entry.bytes};
    out_object->kind = (int32_t)atomic_load_explicit(&entry.kind, memory_order_relaxed);
    memcpy(out_object->name, entry.name, sizeof out_object->name);
    return 0;
}

int hf__region_view_find(const hf_region_view *view, uint32_t index, hf_region_kind kind, struct hf__region_seen *out) {
    struct hf__region_entry entry;
    int rc = find(view, index, &entry);
    if (rc < 0) return rc;
    if (atomic_load_explicit(&entry.kind, memory_order_relaxed) != (uint32_t)kind) return HF_E_STATE;
    *out = (struct hf__region_seen){
        .rule_count = entry.rule_count,
        .bytes = entry.bytes,
        .state = (unsigned char *)view->map + entry.offset,
    };
    memcpy(out->name, entry.name, sizeof out->name);
    memcpy(out->rules, entry.rules, sizeof out->rules);
    return 0;
}
