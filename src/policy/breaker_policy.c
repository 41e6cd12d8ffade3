/* SPDX-License-Identifier: MIT */
#include <holdfast/breaker.h>

#include "base/num.h"
#include "base/rng.h"
#include "core/breaker.h"
#include "core/breaker_window.h"
#include "policy/breaker_config.h"
#include "policy/config_check.h"

#include <stdlib.h>
#include <string.h>

/* The shell: shared words, each moved by compare-exchange of what a pure function made of it. No lock.
 *
 * Who writes what: `control`, the probe slots, the head and the blocks are written by any thread, one word
 * at a time. Order when several change: the window first, then the control word. A thread that dies or
 * stalls between two steps leaves:
 *   - a slot taken in the window and not written: it keeps the result that is N older (or is empty), until
 *     written; one call is missing or counted twice in N, and a writer that wakes after more than N further
 *     results replaces a newer one. No more than one slot for each such thread.
 *   - a probe slot that flies: its lease ends.
 *   - probe results without the decision: the next admission or settle decides.
 *   - a window reset without its control word: results of the old generation are stale, and the next
 *     transition goes on from there.
 *
 * Memory order. (1) control: acquire on load, acquire-release on exchange; whoever sees a closed
 * generation sees the window reset for it. (2) head and blocks: sequentially consistent, for `clean` (see
 * core/breaker_window.h). (3) probe slots: acquire-release, so that who sees the last result needed
 * decides on all of them; the decision is re-evaluated by everyone anyway. (4) rejected: relaxed, it
 * counts. */
struct hf_breaker {
    hf_policy base;
    struct hf__window_rules window_rules;
    struct hf__open_rules open_rules;
    int64_t slow_call_ns;
    hf_breaker_on_change *on_change;
    void *on_change_arg;
    _Atomic uint64_t control;
    _Atomic uint64_t rejected; /* generation 15 | count 49 */
    _Atomic uint64_t probe[HF_BREAKER_PROBES_MAX];
    _Atomic uint64_t head;
    _Atomic uint64_t block[]; /* as many as window_rules.size needs */
};

/* What an admission leaves in the frame of its call: the ticket. */
struct ticket {
    uint64_t control; /* the word it was admitted under */
    uint64_t probe;   /* its slot's word, if a probe */
    hf_time admitted_at;
    uint32_t slot;     /* HF_BREAKER_PROBES_MAX: no probe */
    uint32_t attempts; /* that the call had made before */
};
_Static_assert(sizeof(struct ticket) <= sizeof(((struct hf_frame *)0)->word), "fits a frame");

#define ASK_AGAIN (-1) /* the breaker has moved on meanwhile: decide afresh */

#define COUNT_BITS 49
#define COUNT_MASK ((UINT64_C(1) << COUNT_BITS) - 1)

static hf_breaker *breaker_of(hf_policy *policy) { return (hf_breaker *)(void *)policy; }

static uint64_t control_of(const hf_breaker *b) { return atomic_load_explicit(&b->control, memory_order_acquire); }

static uint32_t block_count(const hf_breaker *b) {
    return (b->window_rules.size + HF__WINDOW_BLOCK - 1) / HF__WINDOW_BLOCK;
}

static struct hf__counts count_window(const hf_breaker *b, uint64_t *out_head) {
    uint64_t block[HF_BREAKER_WINDOW_MAX / HF__WINDOW_BLOCK];
    *out_head = atomic_load(&b->head); /* (2) */
    for (uint32_t i = 0; i < block_count(b); i++) block[i] = atomic_load(&b->block[i]);
    return hf__window_count(*out_head, block, b->window_rules.size);
}

static void load_probes(const hf_breaker *b, uint64_t *out) {
    for (uint32_t i = 0; i < b->open_rules.probes; i++) {
        out[i] = atomic_load_explicit(&b->probe[i], memory_order_acquire); /* (3) */
    }
}

static uint64_t rejected_in(const hf_breaker *b, uint32_t generation) {
    uint64_t word = atomic_load_explicit(&b->rejected, memory_order_relaxed); /* (4) */
    return word >> COUNT_BITS == generation ? word & COUNT_MASK : 0;
}

static void count_rejection(hf_breaker *b, uint32_t generation) {
    uint64_t seen = atomic_load_explicit(&b->rejected, memory_order_relaxed); /* (4) */
    uint64_t next;
    do {
        next = seen >> COUNT_BITS == generation ? seen + 1 : ((uint64_t)generation << COUNT_BITS | 1);
    } while (
        !atomic_compare_exchange_weak_explicit(&b->rejected, &seen, next, memory_order_relaxed, memory_order_relaxed));
}

/* When could an attempt be admitted next, seen from this word? */
static hf_time retry_at_of(const hf_breaker *b, uint64_t control, const uint64_t *probes, hf_time now) {
    struct hf__admission_answer answer = hf__control_admit(control, now);
    if (answer.verdict == HF__ADMIT_REJECT) return answer.retry_at;
    if (answer.verdict != HF__ADMIT_PROBE) return now;
    struct hf__claim_answer claim = hf__probe_claim(probes, control, &b->open_rules, now);
    return claim.verdict == HF__CLAIM_FULL ? claim.retry_at : now;
}

static void describe(const hf_breaker *b, uint64_t control, hf_time now, hf_breaker_info *info) {
    struct hf__control c = hf__control_unpack(control);
    uint64_t head, probes[HF_BREAKER_PROBES_MAX];
    struct hf__counts counts = count_window(b, &head);
    load_probes(b, probes);
    struct hf__tally tally = hf__probe_tally(probes, b->open_rules.probes, control);
    *info = (hf_breaker_info){
        .struct_size = (uint32_t)sizeof *info,
        .state = (int32_t)c.state,
        .generation = c.generation,
        .total = counts.total,
        .failures = counts.failures,
        .slow = counts.slow,
        .consecutive = counts.consecutive,
        .probes_flying = tally.flying,
        .probes_ok = tally.ok,
        .probes_failed = tally.bad,
        .rejected = rejected_in(b, c.generation),
        .retry_at = retry_at_of(b, control, probes, now),
    };
}

/* Empties the window for a generation that is about to be closed; only forward. */
static void reset_window(hf_breaker *b, uint32_t generation) {
    uint64_t seen = atomic_load(&b->head);
    while (hf__generation_newer(generation, hf__window_tag(seen)) &&
           !atomic_compare_exchange_weak(&b->head, &seen, hf__window_head(generation))) {
    }
}

/* The one place that changes the state. False when another thread was first; the event is told by whoever
 * made the change, with no lock held. */
static bool change(hf_breaker *b, uint64_t from, uint64_t to, hf_time now) {
    struct hf__control before = hf__control_unpack(from), after = hf__control_unpack(to);
    bool tell = b->on_change != NULL && before.state != after.state;
    hf_breaker_info info;
    if (tell) describe(b, from, now, &info); /* the numbers that decided, before the reset */
    if (after.state == HF_BREAKER_CLOSED) reset_window(b, after.generation);
    if (!atomic_compare_exchange_strong_explicit(&b->control, &from, to, memory_order_acq_rel, memory_order_acquire)) {
        return false; /* (1) */
    }
    if (tell) {
        hf_breaker_event event = {
            .struct_size = (uint32_t)sizeof event,
            .from = (int32_t)before.state,
            .to = (int32_t)after.state,
            .name = b->base.name,
            .at = now,
            .info = &info,
        };
        b->on_change(b->on_change_arg, &event);
    }
    return true;
}

/* Closes or re-opens if the probes' results are enough. Anybody may call it at any time. */
static void decide(hf_breaker *b, hf_time now, int64_t hint_ns, uint64_t *rng) {
    for (;;) {
        uint64_t control = control_of(b), probes[HF_BREAKER_PROBES_MAX];
        load_probes(b, probes);
        struct hf__tally tally = hf__probe_tally(probes, b->open_rules.probes, control);
        uint64_t random = tally.bad > 0 ? hf__rng_next(rng) : 0;
        uint64_t next = hf__control_decide(control, tally, &b->open_rules, now, hint_ns, random);
        if (next == control || change(b, control, next, now)) return;
    }
}

/* Opens if the window of the closed word `control` says so. */
static void trip(hf_breaker *b, uint64_t control, hf_time now, int64_t hint_ns, uint64_t *rng) {
    uint64_t head;
    struct hf__counts counts = count_window(b, &head);
    if (hf__window_tag(head) != hf__control_unpack(control).generation) return;
    if (!hf__window_trips(&counts, &b->window_rules)) return;
    (void)change(b, control, hf__control_trip(control, &b->open_rules, now, hint_ns, hf__rng_next(rng)), now);
}

/* Claims a probe slot under `control`. Returns PASS with the ticket filled in, TURN with x->at, or
 * ASK_AGAIN. */
static int claim_probe(hf_breaker *b, uint64_t control, struct ticket *ticket, struct hf_x *x) {
    uint64_t probes[HF_BREAKER_PROBES_MAX];
    load_probes(b, probes);
    struct hf__claim_answer claim = hf__probe_claim(probes, control, &b->open_rules, x->now);
    if (claim.verdict == HF__CLAIM_FULL) {
        if (control_of(b) != control) return ASK_AGAIN;
        x->at = claim.retry_at;
        x->reason = HF_REASON_PROBING;
        return HF__TURN;
    }
    uint64_t expected = probes[claim.index];
    bool moved = atomic_compare_exchange_strong_explicit(&b->probe[claim.index], &expected, claim.next,
                                                         memory_order_acq_rel, memory_order_acquire); /* (3) */
    if (!moved || claim.verdict == HF__CLAIM_EXPIRE) return ASK_AGAIN;
    if (control_of(b) != control) { /* decided meanwhile: this probe belongs to no round */
        expected = claim.next;
        (void)atomic_compare_exchange_strong_explicit(&b->probe[claim.index], &expected,
                                                      hf__probe_settle(claim.next, HF__PROBE_FREE),
                                                      memory_order_acq_rel, memory_order_acquire);
        return ASK_AGAIN;
    }
    ticket->slot = claim.index;
    ticket->probe = claim.next;
    return HF__PASS;
}

static int breaker_admit(hf_policy *policy, struct hf_frame *frame, struct hf_x *x) {
    hf_breaker *b = breaker_of(policy);
    struct ticket *ticket = (struct ticket *)(void *)frame->word;
    for (;;) {
        uint64_t control = control_of(b);
        if (x->now == HF__NO_TIME && hf__control_unpack(control).state > HF_BREAKER_DISABLED) return HF__NEED_NOW;
        ticket->control = control;
        ticket->admitted_at = x->now;
        ticket->attempts = x->attempts;
        ticket->slot = HF_BREAKER_PROBES_MAX;
        struct hf__admission_answer answer = hf__control_admit(control, x->now);
        switch (answer.verdict) {
        case HF__ADMIT_CALL: return HF__PASS;
        case HF__ADMIT_MOVE: (void)change(b, control, answer.next, x->now); continue;
        case HF__ADMIT_PROBE: break;
        case HF__ADMIT_REJECT:
            count_rejection(b, hf__control_unpack(control).generation);
            x->reason = answer.reason;
            x->at = answer.retry_at;
            return HF__TURN;
        }
        decide(b, x->now, 0, x->rng); /* whoever had the last result may have died before this */
        if (control_of(b) != control) continue;
        int verdict = claim_probe(b, control, ticket, x);
        if (verdict == ASK_AGAIN) continue;
        if (verdict == HF__TURN) count_rejection(b, hf__control_unpack(control).generation);
        return verdict;
    }
}

/* Records one result under the generation of its ticket; true when the window now trips. */
static bool record(hf_breaker *b, uint32_t generation, enum hf__entry entry, bool slow) {
    /* The window is renewed only when the breaker closes again: until then it shows what tripped it. */
    if (hf__control_unpack(control_of(b)).generation != generation) return false;
    bool spot = entry != HF__ENTRY_SUCCESS || slow;
    uint64_t head = atomic_load(&b->head), next; /* (2) */
    uint32_t slot;
    do {
        if (hf__window_tag(head) != generation) return false; /* stale */
        if (!spot && hf__window_clean(head)) return false;    /* nothing can change */
        next = hf__window_claim(head, spot, b->window_rules.size, &slot);
    } while (!atomic_compare_exchange_weak(&b->head, &head, next));
    _Atomic uint64_t *block = &b->block[slot / HF__WINDOW_BLOCK];
    uint64_t seen = atomic_load(block), written;
    do {
        if (!hf__window_put(seen, generation, slot, entry, slow, &written)) return false; /* stale by now */
    } while (!atomic_compare_exchange_weak(block, &seen, written));
    struct hf__counts counts = count_window(b, &head);
    if (spot) { /* the bit is written: now a clean flag set meanwhile goes */
        while (hf__window_tag(head) == generation && hf__window_clean(head) &&
               !atomic_compare_exchange_weak(&b->head, &head, hf__window_with_clean(head, false))) {
        }
    } else if (hf__window_tag(head) == generation && hf__window_spotless(&counts, &b->window_rules) &&
               atomic_compare_exchange_strong(&b->head, &head, hf__window_with_clean(head, true))) {
        counts = count_window(b, &head); /* set, then checked again */
        if (!hf__window_spotless(&counts, &b->window_rules) && hf__window_clean(head)) {
            (void)atomic_compare_exchange_strong(&b->head, &head, hf__window_with_clean(head, false));
        }
    }
    return hf__window_trips(&counts, &b->window_rules);
}

/* The verdict on one result: its kind, and whether it was slow. The caller's own deadline says nothing
 * about the dependency when it left less time than a call that is not slow may take; nor does whatever came
 * out of a pass that never reached it: a rejection, an end in a queue, a fallback's answer to these. */
static int32_t judge(const hf_breaker *b, const struct ticket *ticket, const struct hf_x *x, bool *out_slow) {
    int64_t took = hf__left(x->now, ticket->admitted_at);
    if (x->attempts == ticket->attempts) {
        *out_slow = false;
        return HF_NEUTRAL;
    }
    *out_slow = (x->outcome.flags & HF_SLOW) || (b->slow_call_ns != HF_NEVER && took >= b->slow_call_ns);
    if (x->reason == HF_REASON_DEADLINE && b->slow_call_ns != HF_NEVER && took < b->slow_call_ns) return HF_NEUTRAL;
    return x->outcome.kind;
}

static void settle_probe(hf_breaker *b, const struct ticket *ticket, int32_t kind, bool slow, struct hf_x *x) {
    enum hf__probe_status status = HF__PROBE_BAD;
    bool too_slow = slow && b->window_rules.slow_rate_ppm != HF_BREAKER_OFF;
    if (kind == HF_NEUTRAL) status = HF__PROBE_FREE;
    if (kind == HF_SUCCESS && !too_slow) status = HF__PROBE_OK;
    if (hf__probe_expired(ticket->probe, x->now)) status = HF__PROBE_BAD; /* whoever notices it first */
    uint64_t expected = ticket->probe;
    /* A mismatch is a late result: the lease ended and the slot has another life. (3) */
    (void)atomic_compare_exchange_strong_explicit(&b->probe[ticket->slot], &expected,
                                                  hf__probe_settle(ticket->probe, status), memory_order_acq_rel,
                                                  memory_order_acquire);
    decide(b, x->now, x->outcome.retry_after_ns, x->rng);
}

static int breaker_settle(hf_policy *policy, struct hf_frame *frame, struct hf_x *x) {
    hf_breaker *b = breaker_of(policy);
    const struct ticket *ticket = (const struct ticket *)(const void *)frame->word;
    struct hf__control admitted = hf__control_unpack(ticket->control);
    bool slow;
    int32_t kind = judge(b, ticket, x, &slow);
    if (ticket->slot < HF_BREAKER_PROBES_MAX) {
        settle_probe(b, ticket, kind, slow, x);
    } else if (admitted.state == HF_BREAKER_CLOSED && kind != HF_NEUTRAL) {
        enum hf__entry entry = kind == HF_SUCCESS     ? HF__ENTRY_SUCCESS
                               : kind == HF_THROTTLED ? HF__ENTRY_THROTTLED
                                                      : HF__ENTRY_FAILURE;
        if (record(b, admitted.generation, entry, slow)) {
            trip(b, ticket->control, x->now, x->outcome.retry_after_ns, x->rng);
        }
    }
    return HF__PASS;
}

/* A plain success. In a full window without a spot it changes nothing. */
static int breaker_settle_ok(hf_policy *policy, struct hf_frame *frame, struct hf_x *x) {
    hf_breaker *b = breaker_of(policy);
    const struct ticket *ticket = (const struct ticket *)(const void *)frame->word;
    struct hf__control admitted = hf__control_unpack(ticket->control);
    if (admitted.state == HF_BREAKER_CLOSED && b->slow_call_ns == HF_NEVER) {
        uint64_t head = atomic_load(&b->head); /* (2) */
        if (hf__window_clean(head) && hf__window_tag(head) == admitted.generation) return HF__PASS;
    }
    if (x->now == HF__NO_TIME) return HF__NEED_NOW;
    return breaker_settle(policy, frame, x);
}

static void breaker_destroy(hf_policy *policy) { free(policy); }

static const struct hf__policy_ops breaker_ops = {
    .kind = "breaker",
    .admit = breaker_admit,
    .settle = breaker_settle,
    .settle_ok = breaker_settle_ok,
    .destroy = breaker_destroy,
};

hf_policy *hf_breaker_policy(hf_breaker *breaker) { return breaker == NULL ? NULL : &breaker->base; }

void hf_breaker_free(hf_breaker *breaker) { hf__policy_unref(breaker == NULL ? NULL : &breaker->base); }

static void apply(hf_breaker *b, const hf_breaker_config *c) {
    b->window_rules = (struct hf__window_rules){c->window, c->min_calls, c->failure_rate_ppm, c->slow_rate_ppm,
                                                c->consecutive_failures};
    b->open_rules = (struct hf__open_rules){
        .open_ns = hf__ms_to_ns(c->open_ms),
        .open_max_ns = hf__ms_to_ns(c->open_max_ms),
        .open_jitter_ppm = c->open_jitter_ppm,
        .probes = c->probes,
        .probe_failures_allowed = c->probe_failures_allowed,
        .probe_lease_ns = hf__ms_to_ns(c->probe_lease_ms),
    };
    b->slow_call_ns = hf__ms_to_ns(c->slow_call_ms);
    if (b->slow_call_ns == HF_NEVER) b->base.traits = HF__ADMITS_TIMELESS | HF__SETTLES_TIMELESS;
    b->on_change = c->on_change;
    b->on_change_arg = c->on_change_arg;
}

int hf_breaker_new(hf_breaker **out_breaker, const char *name, const hf_breaker_config *config, hf_error *error) {
    if (out_breaker == NULL)
        return hf__error_set(error, HF_E_INVALID, "breaker: there is nowhere to put the handle (NULL)");
    *out_breaker = NULL;
    hf_breaker_config chosen;
    hf_breaker_config_init(&chosen);
    int rc = hf__check_name("breaker", name, error);
    if (rc == 0) rc = hf__config_copy("breaker", name, &chosen, sizeof chosen, config, error);
    if (rc == 0) rc = hf__breaker_config_check(name, &chosen, error);
    if (rc < 0) return rc;
    size_t blocks = (chosen.window + HF__WINDOW_BLOCK - 1) / HF__WINDOW_BLOCK;
    void *made;
    rc = hf__policy_alloc(&made, sizeof(hf_breaker) + blocks * sizeof(uint64_t), &breaker_ops, name, error);
    if (rc < 0) return rc;
    *out_breaker = made; /* zero-filled: closed, generation 0, an empty window */
    apply(*out_breaker, &chosen);
    return 0;
}

int hf_breaker_set(hf_breaker *breaker, hf_breaker_state state, hf_time now) {
    for (;;) {
        uint64_t control = control_of(breaker), next;
        if (!hf__control_set(control, state, &breaker->open_rules, now, &next)) {
            return state == HF_BREAKER_HALF_OPEN ? HF_E_STATE : HF_E_INVALID;
        }
        if (next == control || change(breaker, control, next, now)) return 0;
    }
}

int hf_breaker_snapshot(hf_breaker *breaker, hf_breaker_info *out_info, hf_time now) {
    if (out_info->struct_size < sizeof *out_info) return HF_E_INVALID;
    uint32_t size = out_info->struct_size;
    /* Consistent when the control word is the same before and after. It changes seldom; a reader that is
     * unlucky this often gets a picture in which two generations may be mixed. */
    for (int i = 0; i < 64; i++) {
        uint64_t control = control_of(breaker);
        describe(breaker, control, now, out_info);
        if (control_of(breaker) == control) break;
    }
    out_info->struct_size = size;
    return 0;
}

const char *hf_breaker_state_name(int32_t state) {
    switch ((hf_breaker_state)state) {
    case HF_BREAKER_CLOSED: return "closed";
    case HF_BREAKER_DISABLED: return "disabled";
    case HF_BREAKER_HALF_OPEN: return "half-open";
    case HF_BREAKER_OPEN: return "open";
    case HF_BREAKER_FORCED_OPEN: return "forced open";
    }
    return "unknown";
}
