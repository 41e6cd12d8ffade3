/* SPDX-License-Identifier: MIT */
#ifndef HOLDFAST_REGION_H
#define HOLDFAST_REGION_H

/* Region: memory shared by processes, in which breakers, bulkheads, rate limits and budgets live, so that
 * all workers of a service see one breaker, send one probe, and share one limit.
 *
 * Make the region, then the policies with `config.region = region`, then fork: there is nothing to call
 * in the children. Processes that do not descend from one another give the region a name and make the
 * same policies under the same names.
 *
 *     hf_region *region;
 *     hf_region_new(&region, NULL, &error);             // anonymous: this process and its children
 *     hf_breaker_config config;
 *     hf_breaker_config_init(&config);
 *     config.region = region;
 *     hf_breaker_new(&breaker, "payments", &config, &error);
 *     // ... fork workers
 *
 * Nothing in a region is ever locked: a process may be killed at any instant and leaves no lock behind.
 * What it held (slots of a bulkhead, probes of a breaker) is freed when its lease has ended; that it is
 * dead is told by a lock that the kernel frees, not by its process number. docs/design/sharing.md has the
 * byte map, who writes what, and what a crash leaves; docs/sharing.md how to use it in nginx, Apache and others.
 *
 * Instants in a region are on CLOCK_MONOTONIC: a region belongs to one boot and one time namespace of one
 * machine. A named region left over from before a reboot is emptied by whoever comes first. With a clock
 * of your own (testing.h) leases end in its time; then all processes must use the same.
 *
 * Trap: the file behind a named region must not be truncated while processes use it (any program of the
 * same user could): the system then kills them with SIGBUS. Names and sizes are checked when attaching,
 * contents are never trusted at all.
 */

#include <holdfast/error.h>
#include <holdfast/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hf_region hf_region;

#define HF_REGION_PROCESSES_MAX 255 /* processes that can own slots and probes at the same time */
#define HF_REGION_OBJECTS_MAX 64    /* policies in one region */

/* What can live in a region. */
typedef enum hf_region_kind {
    HF_REGION_BREAKER = 1,
    HF_REGION_BULKHEAD = 2,
    HF_REGION_BUDGET = 3,
    HF_REGION_RATE_LIMIT = 4
} hf_region_kind;

/* What to do when a region, or a policy in it, does not fit what was asked for. */
typedef enum hf_region_mismatch {
    HF_REGION_REFUSE = 0, /* an error */
    HF_REGION_LOCAL = 1   /* go on with memory of this process alone, and count it */
} hf_region_mismatch;

typedef struct hf_region_config {
    uint32_t struct_size;  /* set by hf_region_config_init */
    int32_t on_mismatch;   /* hf_region_mismatch. Default HF_REGION_REFUSE. */
    uint32_t size_kib;     /* memory in KiB. Default 256. 64 to 65536. */
    uint32_t reserved;     /* 0 */
    const char *name;      /* NULL: anonymous, shared with children only. Else 1 to HF_NAME_MAX of A-Z a-z 0-9
                              _ - and inner dots. Copied. Default NULL. */
    const char *directory; /* where the file of a named region is, preferably in memory. Default NULL:
                              /dev/shm. Copied. */
} hf_region_config;

/* How a region is used. */
typedef struct hf_region_info {
    uint32_t struct_size; /* set by the caller to sizeof(hf_region_info) */
    uint32_t local;       /* 1: the region itself could not be shared, and is local */
    uint32_t objects;     /* policies that live in it */
    uint32_t processes;   /* processes alive that own a slot */
    uint64_t fallbacks;   /* policies of this handle that had to stay local */
    uint64_t size_bytes;
    uint64_t free_bytes;
} hf_region_info;

/* hf_region_config_init fills `config` with the defaults named at each field.
 * Threads: any thread; never blocks. */
HF_API void hf_region_config_init(hf_region_config *config);

/* hf_region_new makes an anonymous region, or makes or attaches to a named one. `config` NULL means all
 * defaults. The file of a named region is made with mode 0600, and must be a regular file that belongs to
 * this user and that nobody else can write. With HF_REGION_LOCAL a region that cannot be shared (no
 * permission, another layout, size or user, another time namespace, corrupted) is made local instead;
 * errors in `config` itself are errors all the same.
 *
 * Errors:   HF_E_INVALID (configuration), HF_E_NOMEM, HF_E_SYSTEM (the text names the file and the reason; it
 *           needs /proc/self/fd and a process slot),
 *           HF_E_STATE (the file is no region, or of another layout, size, user or time namespace),
 *           HF_E_UNSUPPORTED (the system has no anonymous shared memory or no owned file locks).
 * Blocks:   up to 2 s while another process makes the same region; then HF_E_SYSTEM.
 * Threads:  any thread; the region may be used by any number of threads.
 * Memory:   given back by hf_region_free and by the policies in it, whichever is last. Two descriptors,
 *           and one more while the process forks, closed on exec.
 */
HF_API int hf_region_new(hf_region **out_region, const hf_region_config *config, hf_error *error);

/* hf_region_free gives up the caller's reference; policies that live in the region keep theirs. What other
 * processes share stays, and so does the file of a named region. NULL is fine.
 * Threads: any thread; never blocks. */
HF_API void hf_region_free(hf_region *region);

/* hf_region_remove removes the file of a named region. Processes that are attached go on sharing it; those
 * that come later make a new one.
 *
 * Errors:   HF_E_INVALID (a bad name), HF_E_SYSTEM (the text says why; no such file is no error).
 * Blocks:   as long as the file system does.
 * Threads:  any thread.
 */
HF_API int hf_region_remove(const char *name, const char *directory, hf_error *error);

/* hf_region_inspect fills `out_info`, whose struct_size the caller has set.
 *
 * Errors:   HF_E_INVALID when struct_size is too small.
 * Threads:  any thread; never blocks; one system call for each process slot that was ever used.
 */
HF_API int hf_region_inspect(hf_region *region, hf_region_info *out_info);

/* hf_region_kind_name is a word for a kind: "breaker", "rate limit", ...; never NULL.
 * Threads: any thread; never blocks. */
HF_API const char *hf_region_kind_name(int32_t kind);

#ifdef __cplusplus
}
#endif
#endif
