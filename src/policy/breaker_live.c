/* SPDX-License-Identifier: MIT */
#include "policy/breaker_live.h"

#include <string.h>

/* (M7) Words: release on store, acquire on load. Who reads a word of version v + 2 in the copy of version v
 * therefore sees the version at v + 1 or later, which its writer had published or read before, and tries
 * again. The version: acquire on the first load, so that the words are no older than it; sequentially
 * consistent on store, see hf_breaker_reconfigure. */

struct hf__breaker_rules hf__breaker_live_read(const struct hf__breaker_live *live) {
    uint64_t words[HF__RULES_WORDS], version;
    do {
        version = atomic_load(&live->version);
        for (size_t i = 0; i < HF__RULES_WORDS; i++) {
            words[i] = atomic_load_explicit(&live->word[version & 1][i], memory_order_acquire);
        }
    } while (atomic_load_explicit(&live->version, memory_order_relaxed) != version);
    struct hf__breaker_rules rules;
    memcpy(&rules, words, sizeof rules);
    return rules;
}

void hf__breaker_live_write(struct hf__breaker_live *live, const struct hf__breaker_rules *rules) {
    uint64_t words[HF__RULES_WORDS];
    memcpy(words, rules, sizeof words);
    uint64_t version = atomic_load_explicit(&live->version, memory_order_relaxed) + 1;
    for (size_t i = 0; i < HF__RULES_WORDS; i++) {
        atomic_store_explicit(&live->word[version & 1][i], words[i], memory_order_release);
    }
    atomic_store(&live->version, version);
}
