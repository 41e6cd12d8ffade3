/* SPDX-License-Identifier: MIT */
/* What can be seen of a bulkhead from outside. */
#include "base/num.h"
#include "policy/bulkhead_inside.h"

static bool shared(const hf_bulkhead *b) { return b->leases.region != NULL; }

static uint32_t limit_of(const hf_bulkhead *b) {
    return shared(b) ? hf__leases_limit(&b->leases) : hf__bulkhead_limit(hf__bulkhead_look(b));
}

uint32_t hf_bulkhead_in_flight(const hf_bulkhead *bulkhead) {
    return shared(bulkhead) ? hf__leases_taken(&bulkhead->leases) : hf__bulkhead_taken(hf__bulkhead_look(bulkhead));
}

uint32_t hf_bulkhead_waiting(const hf_bulkhead *bulkhead) { return hf__bulkhead_waiting(hf__bulkhead_look(bulkhead)); }

uint64_t hf_bulkhead_rejected(const hf_bulkhead *bulkhead) {
    if (shared(bulkhead)) return hf__leases_rejected(&bulkhead->leases);
    return atomic_load_explicit(&bulkhead->rejected, memory_order_relaxed);
}

int hf_bulkhead_snapshot(hf_bulkhead *bulkhead, hf_bulkhead_info *out_info) {
    if (out_info->struct_size < sizeof *out_info) return HF_E_INVALID;
    out_info->max_concurrent = limit_of(bulkhead);
    out_info->in_flight = hf_bulkhead_in_flight(bulkhead);
    out_info->waiting = hf_bulkhead_waiting(bulkhead);
    out_info->rejected = hf_bulkhead_rejected(bulkhead);
    out_info->timed_out = atomic_load_explicit(&bulkhead->timed_out, memory_order_relaxed);
    out_info->shed = atomic_load_explicit(&bulkhead->shed, memory_order_relaxed);
    hf__bulkhead_lock(bulkhead);
    out_info->overloaded = bulkhead->locked.line.newest_first && bulkhead->locked.line.total > 0;
    out_info->pace_ns = bulkhead->locked.pace_ns == 0 ? HF_NEVER : bulkhead->locked.pace_ns;
    hf__bulkhead_unlock(bulkhead);
    return 0;
}

/* ---- places in line ---- */

static void fill_locked(const hf_bulkhead *b, uint32_t before, hf_line_place *out) {
    int64_t pace = b->locked.pace_ns;
    out->place = before + 1;
    out->waiting = b->locked.line.total;
    out->estimate_ns = pace == 0 || pace > HF_NEVER / out->place ? HF_NEVER : pace * out->place;
}

int hf_bulkhead_line(hf_bulkhead *bulkhead, const void *tag, hf_line_place *out_place) {
    if (out_place->struct_size < sizeof *out_place || tag == NULL) return HF_E_INVALID;
    uint32_t before;
    hf__bulkhead_lock(bulkhead);
    bool waits = hf__line_before_tag(&bulkhead->locked.line, tag, &before);
    if (waits) fill_locked(bulkhead, before, out_place);
    hf__bulkhead_unlock(bulkhead);
    return waits ? 0 : HF_E_STATE;
}

int hf_bulkhead_end_of_line(hf_bulkhead *bulkhead, uint32_t priority, hf_line_place *out_place) {
    if (out_place->struct_size < sizeof *out_place || priority >= HF_PRIORITIES) return HF_E_INVALID;
    const struct hf__line *line = &bulkhead->locked.line;
    bool free_slot = hf_bulkhead_in_flight(bulkhead) < limit_of(bulkhead) && hf_bulkhead_waiting(bulkhead) == 0;
    struct hf__owed owed = hf__bulkhead_owed(bulkhead);
    hf__bulkhead_lock(bulkhead);
    uint32_t before = hf__line_before_newcomer(line, priority);
    bool room = line->total < bulkhead->max_waiting || hf__line_victim(line, &owed, priority) != NULL;
    /* Who makes room for it may be one of those before it. */
    if (before >= bulkhead->max_waiting && room) before = bulkhead->max_waiting - 1;
    fill_locked(bulkhead, room ? before : bulkhead->max_waiting, out_place);
    hf__bulkhead_unlock(bulkhead);
    if (!room) out_place->estimate_ns = HF_NEVER;
    if (!free_slot) return 0;
    out_place->place = 0;
    out_place->estimate_ns = 0;
    return 0;
}
