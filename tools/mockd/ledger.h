/* SPDX-License-Identifier: MIT */
#ifndef MOCKD_LEDGER_H
#define MOCKD_LEDGER_H

/* Counts side effects per id: what a payment provider's books would show. Bounded: further ids than
 * LEDGER_MAX are counted as overflow and not told apart. Not thread-safe; the server guards it. */

#include <stdbool.h>

#define LEDGER_MAX 200000

struct ledger {
    void *tree;                              /* of tsearch */
    long ids, effects, duplicates, overflow; /* duplicates: ids with more than one effect */
};

/* One more side effect for `id`. */
void ledger_add(struct ledger *ledger, const char *id);

/* Side effects of `id` so far. */
long ledger_effects(const struct ledger *ledger, const char *id);

void ledger_clear(struct ledger *ledger);

#endif
