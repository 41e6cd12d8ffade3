/* SPDX-License-Identifier: MIT */
#include "ledger.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

struct account {
    long effects;
    char id[];
};

/* Nodes are accounts; what is looked up is one too. */
static int compare(const void *a, const void *b) {
    return strcmp(((const struct account *)a)->id, ((const struct account *)b)->id);
}

static struct account *make(const char *id) {
    size_t bytes = strlen(id) + 1;
    struct account *account = malloc(sizeof *account + bytes);
    if (account == NULL) return NULL;
    account->effects = 0;
    memcpy(account->id, id, bytes);
    return account;
}

void ledger_add(struct ledger *ledger, const char *id) {
    ledger->effects++;
    struct account *fresh = make(id);
    struct account **node = fresh == NULL ? NULL : tfind(fresh, &ledger->tree, compare);
    if (node == NULL && fresh != NULL && ledger->ids < LEDGER_MAX) {
        node = tsearch(fresh, &ledger->tree, compare);
        if (node != NULL) ledger->ids++;
    }
    if (node == NULL) {
        ledger->overflow++;
        free(fresh);
        return;
    }
    if (*node != fresh) free(fresh);
    if (++(*node)->effects == 2) ledger->duplicates++;
}

long ledger_effects(const struct ledger *ledger, const char *id) {
    struct account *key = make(id);
    if (key == NULL) return 0;
    struct account **node = tfind(key, &ledger->tree, compare);
    long effects = node == NULL ? 0 : (*node)->effects;
    free(key);
    return effects;
}

void ledger_clear(struct ledger *ledger) {
    while (ledger->tree != NULL) {
        struct account *account = *(struct account **)ledger->tree;
        tdelete(account, &ledger->tree, compare);
        free(account);
    }
    *ledger = (struct ledger){0};
}
