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

/* Places in a shard are counted from 1; 0 is none, so that zeroed memory is an empty shard. An entry is together in
 * memory, most often in one cache line: a table of a million keys misses the cache with everything it touches. */
struct entry {
    uint64_t hash;
    uint32_t chain; /* next with the same index */
    uint32_t newer, older;
    uint32_t reserved;
    int64_t numbers[];
};

struct shard {
    pthread_mutex_t mutex;
    struct {
        char *entries;   /* `stride` bytes each; the first is not used */
        uint32_t *index; /* first of each chain */
        uint32_t used;   /* places ever taken: 1 to `used`; nothing is ever freed, only taken over */
        uint32_t newest, oldest;
    } locked;
    uint32_t capacity, index_mask;
    size_t stride;
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

static size_t stride_of(uint32_t numbers) { return sizeof(struct entry) + numbers * sizeof(int64_t); }

static size_t shard_bytes(uint32_t capacity, uint32_t numbers) {
    size_t bytes = (capacity + 1) * stride_of(numbers) + index_size(capacity) * sizeof(uint32_t);
    return (bytes + 7) / 8 * 8;
}

static void carve(struct shard *shard, char *memory, uint32_t capacity, uint32_t numbers) {
    shard->capacity = capacity;
    shard->stride = stride_of(numbers);
    shard->index_mask = index_size(capacity) - 1;
    shard->locked.entries = memory;
    shard->locked.index = (uint32_t *)(void *)(memory + (capacity + 1) * shard->stride);
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

static struct entry *entry_at(const struct shard *shard, uint32_t at) {
    return (struct entry *)(void *)(shard->locked.entries + at * shard->stride);
}

static uint32_t *chain_of(struct shard *shard, uint64_t hash) { return &shard->locked.index[hash & shard->index_mask]; }

static uint32_t find_locked(struct shard *shard, uint64_t hash) {
    uint32_t at = *chain_of(shard, hash);
    while (at != 0 && entry_at(shard, at)->hash != hash) at = entry_at(shard, at)->chain;
    return at;
}

static void unlist_locked(struct shard *shard, uint32_t at) {
    const struct entry *mine = entry_at(shard, at);
    if (mine->newer != 0) entry_at(shard, mine->newer)->older = mine->older;
    else shard->locked.newest = mine->older;
    if (mine->older != 0) entry_at(shard, mine->older)->newer = mine->newer;
    else shard->locked.oldest = mine->newer;
}

static void list_newest_locked(struct shard *shard, uint32_t at) {
    struct entry *mine = entry_at(shard, at);
    mine->newer = 0;
    mine->older = shard->locked.newest;
    if (shard->locked.newest != 0) entry_at(shard, shard->locked.newest)->newer = at;
    else shard->locked.oldest = at;
    shard->locked.newest = at;
}

/* Takes the oldest out of its chain and off the list. */
static uint32_t evict_locked(struct shard *shard) {
    uint32_t at = shard->locked.oldest;
    uint32_t *link = chain_of(shard, entry_at(shard, at)->hash);
    while (*link != at) link = &entry_at(shard, *link)->chain;
    *link = entry_at(shard, at)->chain;
    unlist_locked(shard, at);
    return at;
}

static uint32_t make_locked(struct shard *shard, uint32_t numbers, uint64_t hash, struct hf__keyed_slot *slot) {
    bool room = shard->locked.used < shard->capacity;
    uint32_t at = room ? ++shard->locked.used : evict_locked(shard), *chain = chain_of(shard, hash);
    struct entry *entry = entry_at(shard, at);
    slot->evicted = !room;
    memcpy(slot->lost, entry->numbers, numbers * sizeof slot->lost[0]);
    memset(entry->numbers, 0, numbers * sizeof entry->numbers[0]);
    entry->hash = hash;
    entry->chain = *chain;
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
    if (at != 0) slot.numbers = entry_at(shard, at)->numbers;
    return slot;
}

void hf__keyed_close(struct hf__keyed_table *table, const struct hf__keyed_slot *slot) {
    HF_MUST(pthread_mutex_unlock(&table->shard[slot->shard].mutex) == 0);
}

void hf__keyed_each(struct hf__keyed_table *table, void (*change)(void *arg, int64_t *numbers), void *arg) {
    for (uint32_t i = 0; i < table->shards; i++) {
        struct shard *shard = &table->shard[i];
        HF_MUST(pthread_mutex_lock(&shard->mutex) == 0);
        for (uint32_t at = 1; at <= shard->locked.used; at++) change(arg, entry_at(shard, at)->numbers);
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
