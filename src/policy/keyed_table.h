/* SPDX-License-Identifier: MIT */
#ifndef HF_POLICY_KEYED_TABLE_H
#define HF_POLICY_KEYED_TABLE_H

/* A table of bounded size from keys to a few numbers each, that forgets the key used least recently.
 *
 * It is cut into shards, each with a mutex and a list from the newest to the oldest of its own; a key belongs to
 * the shard that the top bits of its hash name. Below 1024 keys there is one shard and the order is exact; above it
 * is that of each shard, and a shard may be full when the table is full to about 99 %. Keys are not kept, only their
 * hashes: the bytes of a key do not matter, and two keys with one hash are one.
 *
 * Memory: one block, made with the table: 24 bytes a key, 8 for each number, and 4 to 8 for the index. */

#include "os/keyed_hash.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hf__keyed_table;

/* NULL when there is no memory or no random secret. */
struct hf__keyed_table *hf__keyed_table_new(uint32_t max_keys, uint32_t numbers);
void hf__keyed_table_free(struct hf__keyed_table *table);

/* What opening a key did. Until hf__keyed_close its shard is locked: be short, call nobody. */
struct hf__keyed_slot {
    int64_t *numbers; /* of the key; zero when it is new. NULL: not there, and not asked to be made */
    bool evicted;     /* another key made room; what it had is in `lost` */
    int64_t lost[4];
    uint32_t shard;
};

struct hf__keyed_slot hf__keyed_open(struct hf__keyed_table *table, const char *key, bool make);
void hf__keyed_close(struct hf__keyed_table *table, const struct hf__keyed_slot *slot);

/* Calls `change` for the numbers of every key, shard by shard, under the lock of each. */
void hf__keyed_each(struct hf__keyed_table *table, void (*change)(void *arg, int64_t *numbers), void *arg);

uint32_t hf__keyed_count(struct hf__keyed_table *table);

/* The bytes that the table takes in all. */
size_t hf__keyed_bytes(const struct hf__keyed_table *table);

#endif
