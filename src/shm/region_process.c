/* SPDX-License-Identifier: MIT */
#include "shm/region_handle.h"

#include "os/monotonic.h"
#include "os/must.h"
#include "os/shared_file.h"

#include <unistd.h>

/* Process slots. A process owns slot i while its own description of the file has byte i locked; the kernel
 * frees the lock when it dies, at whatever instant. The serial in the slot's word tells its owners apart: a
 * lease names slot and serial, so a lease of the owner before is not mistaken for one of the owner now.
 *
 * The word is written by the owner alone, under the lock. A process that dies between lock and word leaves
 * the word of the owner before, to whom nobody answers any more. */

#define CALLS_BETWEEN_CLAIMS 1024u /* by a process that got no slot */

#define SERIAL_MASK ((UINT32_C(1) << HF__OWNER_SERIAL_BITS) - 1)

static uint32_t owner_of(uint32_t slot, uint64_t word) {
    return slot << HF__OWNER_SERIAL_BITS | ((uint32_t)word & SERIAL_MASK);
}

bool hf__region_lock_file_locked(hf_region *region) {
    if (region->locked.lock_file < 0) region->locked.lock_file = hf__shared_reopen(region->file);
    return region->locked.lock_file >= 0;
}

static uint32_t claim_locked(hf_region *region) {
    if (!hf__region_lock_file_locked(region)) return 0;
    for (uint32_t slot = 1; slot <= HF_REGION_PROCESSES_MAX; slot++) {
        if (!hf__shared_lock(region->locked.lock_file, HF__REGION_LOCK_PROCESS(slot))) continue;
        struct hf__region_process *process = &region->map->process[slot];
        uint64_t before = atomic_load_explicit(&process->word, memory_order_relaxed);
        uint32_t serial = (uint32_t)before + 1;
        uint64_t word = (uint64_t)(uint32_t)getpid() << 32 | serial;
        atomic_store_explicit(&process->started_at, (uint64_t)hf__monotonic_now(), memory_order_relaxed);
        atomic_store_explicit(&process->word, word, memory_order_release);
        return owner_of(slot, word);
    }
    return 0;
}

void hf__region_own_local_locked(hf_region *region) {
    struct hf__region_process *process = &region->map->process[1];
    uint32_t serial = (uint32_t)atomic_load_explicit(&process->word, memory_order_relaxed) + 1;
    uint64_t word = (uint64_t)(uint32_t)getpid() << 32 | serial;
    atomic_store_explicit(&process->word, word, memory_order_relaxed);
    atomic_store_explicit(&region->owner, owner_of(1, word), memory_order_release);
}

uint32_t hf__region_owner(hf_region *region) {
    uint32_t owner = atomic_load_explicit(&region->owner, memory_order_acquire);
    if (owner != 0) return owner;
    /* Could not be had before: every call must not ask the system for each of its slots again. */
    if (atomic_load_explicit(&region->unowned_calls, memory_order_relaxed) > 0 &&
        atomic_fetch_add_explicit(&region->unowned_calls, 1, memory_order_relaxed) % CALLS_BETWEEN_CLAIMS != 0) {
        return 0;
    }
    HF_MUST(pthread_mutex_lock(&region->mutex) == 0);
    owner = atomic_load_explicit(&region->owner, memory_order_relaxed);
    if (owner == 0) {
        owner = claim_locked(region);
        atomic_store_explicit(&region->unowned_calls, owner == 0, memory_order_relaxed);
        atomic_store_explicit(&region->owner, owner, memory_order_release);
    }
    HF_MUST(pthread_mutex_unlock(&region->mutex) == 0);
    return owner;
}

/* Asked through the description that all processes share and nobody locks through, so that a process that has no
 * descriptor left for locks of its own can still tell the living from the dead. */
bool hf__region_slot_alive(const hf_region *region, uint32_t slot) {
    uint64_t word = atomic_load_explicit(&region->map->process[slot].word, memory_order_acquire);
    if (word == 0) return false; /* never had an owner */
    return region->file < 0 || hf__shared_locked_elsewhere(region->file, HF__REGION_LOCK_PROCESS(slot));
}

bool hf__region_owner_stands(const struct hf__region_map *map, uint32_t owner, uint32_t *out_slot) {
    uint32_t slot = owner >> HF__OWNER_SERIAL_BITS;
    if (slot == 0 || slot > HF_REGION_PROCESSES_MAX) return false; /* nobody, or nonsense from a corrupted word */
    *out_slot = slot;
    return owner_of(slot, atomic_load_explicit(&map->process[slot].word, memory_order_acquire)) == owner;
}

bool hf__region_alive(const hf_region *region, uint32_t owner) {
    uint32_t slot;
    if (owner != 0 && owner == atomic_load_explicit(&region->owner, memory_order_acquire)) return true;
    return hf__region_owner_stands(region->map, owner, &slot) && hf__region_slot_alive(region, slot);
}
