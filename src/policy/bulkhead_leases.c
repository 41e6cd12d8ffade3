/* SPDX-License-Identifier: MIT */
#include "policy/bulkhead_leases.h"

#include "base/num.h"
#include "os/shard.h"
#include "shm/region.h"

/* Who writes what: any process, any slot, by compare-exchange against the word it has seen. A process that dies
 * leaves the slots it held, with its name in them; whoever finds the bulkhead full frees them once their leases
 * have ended. Acquire on taking and release on giving back, as with a lock: what was done under a slot is seen by
 * who has it next. The rest is relaxed: a limit and a counter publish nothing. */

size_t hf__leases_bytes(uint32_t capacity) {
    return sizeof(struct hf__lease_state) + capacity * sizeof(_Atomic uint64_t);
}

static uint64_t load(const struct hf__leases *leases, uint32_t slot) {
    return atomic_load_explicit(&leases->state->slot[slot], memory_order_relaxed);
}

static bool move(struct hf__leases *leases, uint32_t slot, uint64_t from, uint64_t to) {
    return atomic_compare_exchange_strong_explicit(&leases->state->slot[slot], &from, to, memory_order_acq_rel,
                                                   memory_order_relaxed);
}

uint32_t hf__leases_limit(const struct hf__leases *leases) {
    uint64_t limit = atomic_load_explicit(&leases->state->limit, memory_order_relaxed);
    return limit == 0 || limit - 1 > leases->capacity ? leases->capacity : (uint32_t)(limit - 1);
}

uint32_t hf__leases_taken(const struct hf__leases *leases) {
    uint32_t taken = 0;
    for (uint32_t i = 0; i < leases->capacity; i++) taken += load(leases, i) != 0;
    return taken;
}

uint64_t hf__leases_rejected(const struct hf__leases *leases) {
    return atomic_load_explicit(&leases->state->rejected, memory_order_relaxed);
}

bool hf__leases_held(const struct hf__leases *leases, uint32_t slot, uint32_t *out_owner) {
    uint64_t word = load(leases, slot);
    *out_owner = hf__lease_owner(word);
    return word != 0;
}

static bool claim(struct hf__leases *leases, uint32_t slot, uint32_t owner, hf_time now,
                  struct hf__lease_ticket *out_ticket) {
    *out_ticket = (struct hf__lease_ticket){.word = hf__lease_make(now, leases->lease_ns, owner), .slot = slot};
    return move(leases, slot, 0, out_ticket->word);
}

/* A lease that has ended: freed when its owner is dead, extended when it lives, so that not everybody who comes
 * meanwhile asks the system. True when it is free now. */
static bool look_after(struct hf__leases *leases, uint32_t slot, hf_time now) {
    uint64_t word = load(leases, slot);
    if (word == 0) return true;
    if (!hf__lease_ended(word, leases->lease_ns, now)) return false;
    uint32_t owner = hf__lease_owner(word);
    if (hf__region_alive(leases->region, owner)) {
        (void)move(leases, slot, word, hf__lease_make(now, leases->lease_ns, owner));
        return false;
    }
    return move(leases, slot, word, 0) || load(leases, slot) == 0;
}

/* While a smaller limit is not reached yet, slots beyond it are still taken, and count. */
static bool room_below(const struct hf__leases *leases, uint32_t limit) {
    return limit == leases->capacity || hf__leases_taken(leases) < limit;
}

bool hf__leases_take(struct hf__leases *leases, struct hf__lease_ticket *out_ticket, hf_time now) {
    uint32_t limit = hf__leases_limit(leases), owner = hf__region_owner(leases->region);
    /* Threads and processes begin to look at different places, so that they seldom want the same slot. */
    uint32_t start = limit == 0 ? 0 : (owner * 7 + hf__thread_number()) % limit;
    for (uint32_t i = 0; i < limit && room_below(leases, limit); i++) {
        uint32_t slot = (start + i) % limit;
        if (load(leases, slot) == 0 && claim(leases, slot, owner, now, out_ticket)) return true;
    }
    for (uint32_t slot = 0; slot < leases->capacity; slot++) {
        if (!look_after(leases, slot, now)) continue;
        if (slot < limit && room_below(leases, limit) && claim(leases, slot, owner, now, out_ticket)) return true;
    }
    atomic_fetch_add_explicit(&leases->state->rejected, 1, memory_order_relaxed);
    return false;
}

void hf__leases_put(struct hf__leases *leases, const struct hf__lease_ticket *ticket) {
    uint32_t owner = hf__lease_owner(ticket->word);
    if (owner == 0) { /* nobody's: only the exact word tells it from the next one's */
        (void)move(leases, ticket->slot, ticket->word, 0);
        return;
    }
    if (owner != hf__region_owner(leases->region)) return;
    /* Its lease may be extended by somebody at the same time: the owner is what makes it ours. */
    uint64_t word = load(leases, ticket->slot);
    while (word != 0 && hf__lease_owner(word) == owner && !move(leases, ticket->slot, word, 0)) {
        word = load(leases, ticket->slot);
    }
}

void hf__leases_resize(struct hf__leases *leases, uint32_t limit) {
    atomic_store_explicit(&leases->state->limit, (uint64_t)limit + 1, memory_order_relaxed);
}
