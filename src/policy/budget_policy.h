/* SPDX-License-Identifier: MIT */
#ifndef HF_POLICY_BUDGET_POLICY_H
#define HF_POLICY_BUDGET_POLICY_H

/* What retries ask of a budget. Each is one atomic decision on one word, from any thread. */

#include <holdfast/budget.h>

hf_budget *hf__budget_ref(hf_budget *budget);
void hf__budget_deposit_one(hf_budget *budget);
bool hf__budget_take(hf_budget *budget, hf_time now);
void hf__budget_give_back(hf_budget *budget);
void hf__budget_charge_for(hf_budget *budget, uint32_t resends, hf_time now);

#endif
