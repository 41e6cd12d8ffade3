/* SPDX-License-Identifier: MIT */
#include "policy/keyed_table.h"

#include "os/must.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define SHARDS 64
#define ONE_SHARD_BELOW 1024
#define NUMBERS_MAX 4

/* Places in a shard's arrays are counted from 1; 0 is none, so that zeroed memory is an empty shard. */
struct links {
    uint32_t chain; /* next with the same index, or next free */
    uint32_t newer, older;
};

struct shard {
    pthread_mutex_t mutex;
    struct {
        uint64_t *hash;
        int64_t *numbers;
        struct links *links;
        uint32_t *index; /* first of each chain */
        uint32_t used;   /* places ever taken: 1 to `used`; nothing is ever freed, only taken over */
        uint32_t newest, oldest;
    } locked;
    uint32_t capacity, index_mask;
};

struct hf__keyed_table {
    struct hf__hash_secret secret;
    uint32_t shards, numbers;
    size_t bytes;
    void *block; /* all arrays of all shards */
    struct shard shard[];
};

/* ---- making ---- */

static uint32_t index_size(uint32_t capacity) {
    uint32_t size = 1;
    while (size < capacity) size *= 2;
    return size;
}

static size_t shard_bytes(uint32_t capacity, uint32_t numbers) {
    size_t bytes = (capacity + 1) * (sizeof(uint64_t) + numbers * sizeof(int64_t) + sizeof(struct links)) +
                   index_size(capacity) * sizeof(uint32_t);
    return (bytes + 7) / 8 * 8;
}

static void carve(struct shard *shard, char *memory, uint32_t capacity, uint32_t numbers) {
    shard->capacity = capacity;
    shard->index_mask = index_size(capacity) - 1;
    shard->locked.hash = (uint64_t *)(void *)memory;
    memory += (capacity + 1) * sizeof(uint64_t);
    shard->locked.numbers = (int64_t *)(void *)memory;
    memory += ((size_t)capacity + 1) * numbers * sizeof(int64_t);
    shard->locked.links = (struct links *)(void *)memory;
    memory += (capacity + 1) * sizeof(struct links);
    shard->locked.index = (uint32_t *)(void *)memory;
}

struct hf__keyed_table *hf__keyed_table_new(uint32_t max_keys, uint32_t numbers) {
    assert(max_keys > 0 && numbers <= NUMBERS_MAX);
    uint32_t shards = max_keys < ONE_SHARD_BELOW ? 1 : SHARDS;
    size_t head = sizeof(struct hf__keyed_table) + shards * sizeof(struct shard);
    struct hf__keyed_table *table = calloc(1, head);
    if (table == NULL) return NULL;
    table->shards = shards;
    table->numbers = numbers;
    size_t bytes = 0;
    for (uint32_t i = 0; i < shards; i++) bytes += shard_bytes(max_keys / shards + (i < max_keys % shards), numbers);
    table->bytes = head + bytes;
    table->block = calloc(1, bytes);
    if (table->block == NULL || !hf__hash_secret_make(&table->secret)) {
        free(table->block);
        free(table);
        return NULL;
    }
    char *memory = table->block;
    for (uint32_t i = 0; i < shards; i++) {
        uint32_t capacity = max_keys / shards + (i < max_keys % shards);
        carve(&table->shard[i], memory, capacity, numbers);
        memory += shard_bytes(capacity, numbers);
        HF_MUST(pthread_mutex_init(&table->shard[i].mutex, NULL) == 0);
    }
    return table;
}

void hf__keyed_table_free(struct hf__keyed_table *table) {
    if (table == NULL) return;
    for (uint32_t i = 0; i < table->shards; i++) HF_MUST(pthread_mutex_destroy(&table->shard[i].mutex) == 0);
    free(table->block);
    free(table);
}

/* ---- one shard, locked ---- */

static uint32_t *chain_of(struct shard *shard, uint64_t hash) { return &shard->locked.index[hash & shard->index_mask]; }

static uint32_t find_locked(struct shard *shard, uint64_t hash) {
    uint32_t at = *chain_of(shard, hash);
    while (at != 0 && shard->locked.hash[at] != hash) at = shard->locked.links[at].chain;
    return at;
}

static void unlist_locked(struct shard *shard, uint32_t at) {
    struct links *links = shard->locked.links, *mine = &links[at];
    if (mine->newer != 0) links[mine->newer].older = mine->older;
    else shard->locked.newest = mine->older;
    if (mine->older != 0) links[mine->older].newer = mine->newer;
    else shard->locked.oldest = mine->newer;
}

static void list_newest_locked(struct shard *shard, uint32_t at) {
    struct links *links = shard->locked.links;
    links[at].newer = 0;
    links[at].older = shard->locked.newest;
    if (shard->locked.newest != 0) links[shard->locked.newest].newer = at;
    else shard->locked.oldest = at;
    shard->locked.newest = at;
}

/* Takes the oldest out of its chain and off the list. */
static uint32_t evict_locked(struct shard *shard) {
    uint32_t at = shard->locked.oldest;
    uint32_t *link = chain_of(shard, shard->locked.hash[at]);
    while (*link != at) link = &shard->locked.links[*link].chain;
    *link = shard->locked.links[at].chain;
    unlist_locked(shard, at);
    return at;
}

static uint32_t make_locked(struct shard *shard, uint32_t numbers, uint64_t hash, struct hf__keyed_slot *slot) {
    uint32_t at;
    if (shard->locked.used < shard->capacity) {
        at = ++shard->locked.used;
    } else {
        at = evict_locked(shard);
        slot->evicted = true;
        memcpy(slot->lost, &shard->locked.numbers[(size_t)at * numbers], numbers * sizeof slot->lost[0]);
    }
    shard->locked.hash[at] = hash;
    memset(&shard->locked.numbers[(size_t)at * numbers], 0, numbers * sizeof(int64_t));
    uint32_t *chain = chain_of(shard, hash);
    shard->locked.links[at].chain = *chain;
    *chain = at;
    list_newest_locked(shard, at);
    return at;
}

/* ---- the table ---- */

struct hf__keyed_slot hf__keyed_open(struct hf__keyed_table *table, const char *key, bool make) {
    uint64_t hash = hf__keyed_hash(&table->secret, key);
    struct hf__keyed_slot slot = {.shard = (uint32_t)(hash >> 58) % table->shards};
    struct shard *shard = &table->shard[slot.shard];
    HF_MUST(pthread_mutex_lock(&shard->mutex) == 0);
    uint32_t at = find_locked(shard, hash);
    if (at != 0 && make && at != shard->locked.newest) {
        unlist_locked(shard, at);
        list_newest_locked(shard, at);
    }
    if (at == 0 && make) at = make_locked(shard, table->numbers, hash, &slot);
    if (at != 0) slot.numbers = &shard->locked.numbers[(size_t)at * table->numbers];
    return slot;
}

void hf__keyed_close(struct hf__keyed_table *table, const struct hf__keyed_slot *slot) {
    HF_MUST(pthread_mutex_unlock(&table->shard[slot->shard].mutex) == 0);
}

void hf__keyed_each(struct hf__keyed_table *table, void (*change)(void *arg, int64_t *numbers), void *arg) {
    for (uint32_t i = 0; i < table->shards; i++) {
        struct shard *shard = &table->shard[i];
        HF_MUST(pthread_mutex_lock(&shard->mutex) == 0);
        for (uint32_t at = 1; at <= shard->locked.used; at++)
            change(arg, &shard->locked.numbers[(size_t)at * table->numbers]);
        HF_MUST(pthread_mutex_unlock(&shard->mutex) == 0);
    }
}

uint32_t hf__keyed_count(struct hf__keyed_table *table) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < table->shards; i++) {
        HF_MUST(pthread_mutex_lock(&table->shard[i].mutex) == 0);
        count += table->shard[i].locked.used;
        HF_MUST(pthread_mutex_unlock(&table->shard[i].mutex) == 0);
    }
    return count;
}

size_t hf__keyed_bytes(const struct hf__keyed_table *table) { return table->bytes; }
