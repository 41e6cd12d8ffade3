/* SPDX-License-Identifier: MIT */
#ifndef HOLDFAST_SWITCHES_H
#define HOLDFAST_SWITCHES_H

/* Switches: change what policies do while calls go on, by name, for the operator who must act now. Any policy can be
 * disabled (a limit that is wrong), forced open (a dependency that must not be called: a kill switch), or set to
 * watch only (a new breaker on trial); and a group of policies at once (load shedding: everything that can wait).
 *
 *     hf_switches *switches;
 *     int rc = hf_switches_new(&switches, &error);
 *     rc = hf_switches_add(switches, hf_breaker_policy(breaker), NULL, &error);
 *     rc = hf_switches_add(switches, hf_pipeline_policy(pipeline, 0), "optional", &error);
 *
 *     rc = hf_switches_set(switches, "payments", HF_SWITCH_DISABLED);
 *     rc = hf_switches_set_group(switches, "optional", HF_SWITCH_FORCED_OPEN);
 *
 * A switch is one word that each call reads when it comes to the policy. Calls further in go on: what a policy has
 * admitted it is told the end of, whatever it was switched to meanwhile. A policy that is switched neither repeats,
 * nor hedges, nor ends, nor answers for anybody. The registry itself is only for whoever switches: no call looks at it.
 */

#include <holdfast/error.h>
#include <holdfast/pipeline.h>
#include <holdfast/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hf_switches hf_switches;

typedef enum hf_switch {
    HF_SWITCH_NORMAL = 0,
    HF_SWITCH_DISABLED = 1,    /* as if the policy were not there */
    HF_SWITCH_FORCED_OPEN = 2, /* turns back every call, with HF_REASON_FORCED_OPEN */
    HF_SWITCH_METRICS_ONLY = 3 /* decides and counts, and lets every call pass */
} hf_switch;

/* What hf_switches_each tells of one policy. */
typedef struct hf_switch_info {
    uint32_t struct_size;
    uint32_t own;       /* hf_switch, as set by name */
    uint32_t effective; /* hf_switch: `own`, or else that of its group */
    uint32_t reserved;
    const char *kind;  /* "breaker" */
    const char *name;  /* of the policy */
    const char *group; /* NULL: in none */
} hf_switch_info;

typedef void hf_switches_visit(void *arg, const hf_switch_info *info);

/* hf_switches_new makes an empty registry.
 *
 * Errors:   HF_E_INVALID (nowhere to put the handle), HF_E_NOMEM.
 * Threads:  any thread.
 * Memory:   given back by hf_switches_free.
 */
HF_API int hf_switches_new(hf_switches **out_switches, hf_error *error);

/* hf_switches_free forgets the policies; they stay as they are switched. NULL is fine.
 * Threads: one thread, last. */
HF_API void hf_switches_free(hf_switches *switches);

/* hf_switches_add registers `policy` under its name, and keeps a reference. Several may have one name: they are switched
 * together. `group` (NULL: none) is made when it is new; a policy is in at most one group, of one registry, for good.
 *
 * Errors:   HF_E_INVALID (a NULL policy or a bad group name), HF_E_STATE (registered here already, or in a group),
 *           HF_E_NOMEM.
 * Threads:  any thread; waits for a lock held for a few instructions.
 */
HF_API int hf_switches_add(hf_switches *switches, hf_policy *policy, const char *group, hf_error *error);

/* hf_switches_set switches every policy called `name` by itself, whatever its group is switched to;
 * HF_SWITCH_NORMAL leaves it to its group again.
 *
 * Returns how many it switched.
 * Errors:   HF_E_INVALID (no policy of that name, or no such switch), HF_E_UNSUPPORTED (a fallback cannot be forced
 *           open; nothing was switched).
 * Threads:  any thread; waits for a lock held for a few instructions.
 */
HF_API int hf_switches_set(hf_switches *switches, const char *name, hf_switch mode);

/* hf_switches_set_group switches a group, all at one instant: every policy of it that is not switched by itself. Its
 * fallbacks cannot be forced open, and are disabled then.
 *
 * Returns how many policies the group has.
 * Errors:   HF_E_INVALID (no such group or switch).
 * Threads:  any thread; waits for a lock held for a few instructions.
 */
HF_API int hf_switches_set_group(hf_switches *switches, const char *group, hf_switch mode);

/* hf_switches_each visits every policy in the order in which they were added, for a status page.
 * Threads: any thread; waits for a lock held for a few instructions. `visit` is called with it held: it must not call
 * this registry. */
HF_API void hf_switches_each(hf_switches *switches, hf_switches_visit *visit, void *arg);

/* hf_switch_name is a word for a switch: "forced open"; never NULL.
 * Threads: any thread; never blocks. */
HF_API const char *hf_switch_name(int32_t mode);

/* hf_pipeline_policy is the policy at `place` of a pipeline, outermost 0, for those that were made by hf_pipeline_standard;
 * NULL beyond the last. Owned by the pipeline.
 * Threads: any thread; never blocks. */
HF_API hf_policy *hf_pipeline_policy(const hf_pipeline *pipeline, size_t place);

#ifdef __cplusplus
}
#endif
#endif
