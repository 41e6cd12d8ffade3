/* SPDX-License-Identifier: MIT */
#ifndef HF_POLICY_BUDGET_POLICY_H
#define HF_POLICY_BUDGET_POLICY_H

/* What retries, and whoever else makes extra attempts, ask of a budget. Each is one atomic decision on one word of each
 * level, from any thread. */

#include <holdfast/budget.h>

#include <stdatomic.h>

/* What calls share: flat, zero is a full budget. */
struct hf__budget_state {
    _Atomic uint64_t word;
    _Atomic uint64_t granted, denied, denied_by_parent;
};

hf_budget *hf__budget_ref(hf_budget *budget);

/* The budget of a policy called `name`: a reference to `given`, or for NULL one of its own with the defaults. */
int hf__budget_for(hf_budget **out_budget, const char *name, hf_budget *given, hf_error *error);

/* A call begins. Its end must be told to a budget that counts what is under way, itself or above. */
void hf__budget_begin(hf_budget *budget);
bool hf__budget_counts_calls(const hf_budget *budget);
void hf__budget_end(hf_budget *budget);

/* Takes what one extra attempt costs; false: none may be made. */
bool hf__budget_take(hf_budget *budget, hf_time now);

/* Would hf__budget_take grant one, once these resends are charged and, if `held`, the extra attempt under way is
 * settled as used? Changes nothing. */
bool hf__budget_would_grant(const hf_budget *budget, uint32_t resends, bool held, hf_time now);

/* What was taken for is over. `used` is false when the attempt never reached the dependency: then it cost nothing. */
void hf__budget_settle(hf_budget *budget, bool used);

/* Load that nobody asked for and that is on the wire already. */
void hf__budget_charge_for(hf_budget *budget, uint32_t resends, hf_time now);

#endif
