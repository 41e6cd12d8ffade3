/* SPDX-License-Identifier: MIT */
#ifndef HF_OS_SHARD_H
#define HF_OS_SHARD_H

#include <stdint.h>

/* A number for the calling thread, the same for all its life: threads are numbered in the order in which
 * they first ask. Counters that many threads write are kept in shards, and `number mod shards` says which
 * one is whose; nothing but speed depends on it. */
uint32_t hf__thread_number(void);

/* In a child: its threads are numbered from elsewhere than its parent's and its siblings', with whom it may share
 * memory. */
void hf__thread_forked(void);

#endif
