/* SPDX-License-Identifier: MIT */
#ifndef HF_TESTS_SUPPORT_BREAKER_MODEL_H
#define HF_TESTS_SUPPORT_BREAKER_MODEL_H

/* A slow, obvious breaker: a list of all results that were ever recorded, a list of all probes, and the rules
 * of the header read literally. Nothing is packed, nothing is shared, nothing is cut off: counts are made by
 * looking through the list. Open times have no jitter, so that they can be told. */

#include <holdfast/holdfast.h>

#define MODEL_RESULTS 4096
#define MODEL_PROBES 1024
#define MODEL_CALLS 64

struct model_result {
    int32_t kind;
    bool slow;
    int64_t bucket;   /* by time: counted in */
    uint32_t buckets; /* by time: of the window when it was recorded */
};

struct model_probe {
    uint32_t round; /* generation */
    int64_t lease_ends_ms;
    enum { MODEL_FLYING, MODEL_BACK, MODEL_OK, MODEL_BAD } status;
};

/* A call under way, where a slow threshold is set. */
struct model_call {
    bool runs;
    uint32_t generation;
    hf_time at;
};

struct breaker_model {
    hf_breaker_config rules;
    int64_t width_ns; /* of a bucket, as it was made */
    hf_breaker_state state;
    uint32_t generation;
    uint32_t window_generation; /* whose results are in the window */
    uint32_t streak;
    uint32_t told; /* metrics-only: HF_BREAKER_RULE_ bits */
    int64_t ms;    /* open: until; else since */
    uint64_t rejected;
    uint32_t floor; /* by calls: results before this one are forgotten */
    int64_t latest; /* by time: bucket */
    struct model_result results[MODEL_RESULTS];
    uint32_t count;
    struct model_probe probes[MODEL_PROBES];
    uint32_t probe_count;
    bool clean;      /* by calls: full and spotless, a success changes nothing */
    int64_t tick_ns; /* of the wheel; 0: there is none */
    struct model_call calls[MODEL_CALLS];
    uint32_t begun_generation; /* the last tick in which a call began, and its generation */
    int64_t begun_tick;
    uint32_t changes; /* events that it would have told */
};

/* What an admission leaves with the call. */
struct model_ticket {
    uint32_t generation;
    hf_breaker_state state;
    hf_time at;
    int32_t probe; /* -1: none */
    int32_t call;  /* -1: not under watch */
};

void model_init(struct breaker_model *m, const hf_breaker_config *config);

/* Admits (HF_REASON_NONE, `*out` filled in) or gives the reason of the rejection and when to come again. `rng` is
 * the call's. */
int32_t model_admit(struct breaker_model *m, struct model_ticket *out, hf_time *out_at, uint64_t *rng, hf_time now);

void model_settle(struct breaker_model *m, const struct model_ticket *ticket, hf_outcome outcome, hf_time now);

/* As hf_breaker_set, for states that can be set. */
void model_set(struct breaker_model *m, hf_breaker_state state, hf_time now);

void model_reconfigure(struct breaker_model *m, const hf_breaker_config *config);
void model_restore(struct breaker_model *m, const hf_breaker_saved *saved, int64_t elapsed_ns, hf_time now);

/* What hf_breaker_snapshot must say, but for `generation`. */
hf_breaker_info model_info(const struct breaker_model *m, hf_time now);

/* Plays what the bytes say on a breaker and on the model, and aborts where they differ. */
void breaker_model_play(const void *data, size_t size);

#endif
