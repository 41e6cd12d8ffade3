/* SPDX-License-Identifier: MIT */
#ifndef HF_SHM_REGION_LAYOUT_H
#define HF_SHM_REGION_LAYOUT_H

/* The bytes of a region, like a file format; docs/design/sharing.md says who writes what and when.
 *
 *     offset   bytes
 *     0        4096    header: what the region is; written once, `magic` last
 *     4096     4096    256 process slots of 16 bytes: who can own leases (slot 0 is nobody)
 *     8192     16384   64 entries of 256 bytes: which policy is where
 *     24576    rest    the policies' states, each on a cache line of its own
 *
 * Offsets only, no pointers; zero-filled is valid: no processes, no policies. Integers are in the byte order
 * of the machine, since a region never leaves it. */

#include "shm/region.h"

#include <stdatomic.h>

#define HF__REGION_MAGIC UINT64_C(0x3130747366646c68) /* "hldfst01" in memory */
#define HF__REGION_LAYOUT 1u
#define HF__REGION_SIZE_MIN (INT64_C(64) * 1024)
#define HF__REGION_SIZE_MAX (INT64_C(65536) * 1024)
#define HF__REGION_LINE 64u /* alignment of states */

struct hf__region_header {
    _Atomic uint64_t magic;
    uint32_t layout;
    uint32_t word_bytes;     /* sizeof(void *): programs of both kinds must not meet here, though it would work */
    uint64_t size;           /* of the whole region */
    uint64_t configuration;  /* hash of all limits that the layout depends on */
    uint64_t time_namespace; /* see os/boot.h */
    unsigned char boot_id[16];
    uint64_t reserved[505];
};
_Static_assert(sizeof(struct hf__region_header) == 4096, "header");

struct hf__region_process {
    _Atomic uint64_t word; /* pid 32 | serial 32; the serial changes with every owner */
    _Atomic uint64_t started_at;
};
_Static_assert(sizeof(struct hf__region_process) == 16, "process slot");

struct hf__region_entry {
    _Atomic uint32_t kind; /* hf_region_kind, written last; 0: free */
    uint32_t rule_count;
    uint64_t offset; /* of the state */
    uint64_t bytes;
    uint64_t reserved;
    char name[HF_NAME_MAX + 1];
    uint64_t rules[HF__REGION_RULES_MAX]; /* what every process must agree on */
};
_Static_assert(sizeof(struct hf__region_entry) == 256, "entry");
_Static_assert(offsetof(struct hf__region_entry, rules) == 64, "entry");

struct hf__region_map {
    struct hf__region_header header;
    struct hf__region_process process[HF_REGION_PROCESSES_MAX + 1];
    struct hf__region_entry entry[HF_REGION_OBJECTS_MAX];
    unsigned char arena[];
};
_Static_assert(offsetof(struct hf__region_map, process) == 4096, "map");
_Static_assert(offsetof(struct hf__region_map, entry) == 8192, "map");
_Static_assert(offsetof(struct hf__region_map, arena) == 24576, "map");
_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "64-bit atomics that are no locks in disguise");

/* Bytes that are locked in the file, far behind its contents: one for the right to change header and
 * entries, one for each process slot. */
#define HF__REGION_LOCK_BASE (INT64_C(1) << 40)
#define HF__REGION_LOCK_ENTRIES HF__REGION_LOCK_BASE
#define HF__REGION_LOCK_PROCESS(slot) (HF__REGION_LOCK_BASE + 1 + (int64_t)(slot))

#endif
