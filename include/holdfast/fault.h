/* SPDX-License-Identifier: MIT */
#ifndef HOLDFAST_FAULT_H
#define HOLDFAST_FAULT_H

/* Fault injection: errors, latency and hangs on purpose, at a rate, for game days on the real client and for tests. Stands
 * innermost, so that everything around it sees what it would see of a failing dependency: an injected error is an
 * attempt that failed, a hang one that times out.
 *
 *     hf_fault_config config;
 *     hf_fault_config_init(&config);
 *     config.error_ppm = 100000;
 *     config.latency_ppm = 50000;
 *     config.latency_ms = 2000;
 *     config.key = "tenant-42";
 *     hf_fault *drill;
 *     int rc = hf_fault_new(&drill, "drill", &config, &error);
 *     rc = hf_fault_set(drill, 0, 0, 0);    // over
 *
 * With all shares 0 (the default) it injects nothing and costs a load: it may stay in a pipeline for good.
 */

#include <holdfast/error.h>
#include <holdfast/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hf_fault hf_fault;

typedef struct hf_fault_config {
    uint32_t struct_size; /* set by hf_fault_config_init */
    uint32_t error_ppm;   /* attempts that fail at once, without being made. Default 0. 0 to 1000000; the three shares
                             together at most 1000000. */
    uint32_t latency_ppm; /* attempts that are made `latency_ms` late. Default 0. 0 to 1000000. */
    uint32_t hang_ppm;    /* attempts that never end by themselves, and are not made. Default 0. 0 to 1000000. */
    int64_t latency_ms;   /* Default 1000. 1 to 86400000. */
    int32_t error_kind;   /* hf_kind of an injected error. Default HF_FAILURE. HF_FAILURE to HF_NEUTRAL. */
    int32_t error_code;   /* its code. Default 0. Any number, INT32_MIN to INT32_MAX. */
    uint64_t seed;   /* 0: what befalls a call follows from the call's own seed. Otherwise the n-th attempt that comes
                             here meets the same fate in every run with this seed. Default 0. 0 to UINT64_MAX. */
    const char *key; /* only calls made with this key (hf_run_options.key); NULL: all. Copied; at most 127 bytes.
                             Default NULL. */
} hf_fault_config;

/* hf_fault_config_init fills `config` with the defaults named at each field.
 * Threads: any thread; never blocks. */
HF_API void hf_fault_config_init(hf_fault_config *config);

/* hf_fault_new makes a fault policy. `name` and `config` (NULL: defaults, nothing is injected) are copied.
 *
 * Errors:   HF_E_INVALID (the text names field, value and range), HF_E_NOMEM.
 * Threads:  any thread; may be shared by any number of pipelines.
 * Memory:   one allocation, given back by hf_fault_free.
 */
HF_API int hf_fault_new(hf_fault **out_fault, const char *name, const hf_fault_config *config, hf_error *error);

/* hf_fault_free gives up the caller's reference. NULL is fine.
 * Threads: any thread; never blocks. */
HF_API void hf_fault_free(hf_fault *fault);

/* hf_fault_policy is the fault as a member of a pipeline. Owned by the fault.
 * Threads: any thread; never blocks. */
HF_API hf_policy *hf_fault_policy(hf_fault *fault);

/* hf_fault_set changes the three shares at one instant while calls go on; all 0 ends the drill. Attempts already hanging
 * or late stay so.
 *
 * Errors:   HF_E_INVALID (more than 1000000 together).
 * Threads:  any thread; never blocks.
 */
HF_API int hf_fault_set(hf_fault *fault, uint32_t error_ppm, uint32_t latency_ppm, uint32_t hang_ppm);

/* hf_fault_injected returns how many errors, late attempts and hangs were injected since it was made.
 * Threads: any thread; never blocks. */
HF_API uint64_t hf_fault_injected(const hf_fault *fault);

#ifdef __cplusplus
}
#endif
#endif
