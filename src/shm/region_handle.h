/* SPDX-License-Identifier: MIT */
#ifndef HF_SHM_REGION_HANDLE_H
#define HF_SHM_REGION_HANDLE_H

/* What this process knows of a region. */

#include "shm/region.h"
#include "shm/region_layout.h"

#include <pthread.h>

/* Locks, in this order: the list of all regions, then `mutex`. A fork takes both before and gives both back
 * after, so that a child never inherits one that is held. */
struct hf_region {
    _Atomic uint32_t references;
    _Atomic uint32_t owner;         /* who this process is, 0: not claimed yet. Release after the claim, acquire before
                               use: a lease is written by who owns the slot it names. */
    _Atomic uint32_t unowned_calls; /* above 0: no slot was to be had, and this many calls have gone by since. Relaxed:
                                       it only counts. */
    struct hf__region_map *map;
    uint64_t size;
    int file; /* the memory; -1: local, `map` is this process's own. Changed under the lock. */
    int32_t on_mismatch;
    char title[HF_NAME_MAX + 1]; /* for error texts */
    pthread_mutex_t mutex;       /* guards `locked`, and makes the file lock exclusive between threads too */
    struct {
        int lock_file; /* a description of this process alone; -1: to be opened */
        int for_child; /* while it forks: the description that the child will have */
    } locked;
    _Atomic uint64_t fallbacks; /* relaxed: it counts */
    struct hf_region *next;     /* list of all regions */
    struct hf_region *previous;
};

/* region_file.c: the path of a named region, and why it could not be opened (errno). */
#define HF__REGION_PATH_SIZE 512
int hf__region_check_name(const char *name, hf_error *error);
int hf__region_path(char *path, const char *name, const char *directory, hf_error *error);
int hf__region_open_error(const char *title, const char *path, hf_error *error);

/* Makes the header of a new region; and what a header says: UNMADE when its maker died, BAD (HF_E_STATE) and
 * UNKNOWN (HF_E_SYSTEM) with the reason. A header that cannot be made (errno) stays unmade. */
enum hf__header_state { HF__HEADER_GOOD, HF__HEADER_UNMADE, HF__HEADER_OLD_BOOT, HF__HEADER_BAD, HF__HEADER_UNKNOWN };
bool hf__region_write_header(struct hf__region_map *map, uint64_t size);
enum hf__header_state hf__region_read_header(const struct hf__region_map *map, uint64_t size, const char *title,
                                             hf_error *error);

/* region_fork.c: keeps `region` in the list that forks look through. False when the system has no room for
 * the fork handlers. */
bool hf__region_list_add(hf_region *region);
void hf__region_list_remove(hf_region *region);

/* region_process.c: a description for locks of this process alone; false when there is none to be had. */
bool hf__region_lock_file_locked(hf_region *region);

/* Is `owner` the last that had its process slot? Then *out_slot is the slot. False for nobody, and for nonsense. */
bool hf__region_owner_stands(const struct hf__region_map *map, uint32_t owner, uint32_t *out_slot);

/* Makes this process the owner of a region that is its own alone: after it was made, and in a forked child, whose copy
 * shows slots as taken that nobody there will give back. */
void hf__region_own_local_locked(hf_region *region);

/* Does a process that is alive own this slot? */
bool hf__region_slot_alive(const hf_region *region, uint32_t slot);

/* region_directory.c: the exclusive right to change header and entries, among threads and processes. Waits
 * up to two seconds. */
bool hf__region_begin_change(hf_region *region);
void hf__region_end_change(hf_region *region);

/* Bytes of the arena that entries use; entries that make no sense use all. */
uint64_t hf__region_used(const struct hf__region_map *map, uint64_t size);

/* Fills in size, objects and free bytes. */
void hf__region_describe(const struct hf__region_map *map, uint64_t size, hf_region_info *info);

/* Is this entry's state inside the arena? */
bool hf__region_entry_valid(const struct hf__region_entry *entry, uint64_t size);

#endif
