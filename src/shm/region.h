/* SPDX-License-Identifier: MIT */
#ifndef HF_SHM_REGION_H
#define HF_SHM_REGION_H

/* What a policy asks of a region. */

#include <holdfast/region.h>

/* What every process that shares a policy must agree on: numbers, each with the name of its configuration
 * field for the error text. */
struct hf__region_rule {
    const char *field;
    uint64_t value;
};

struct hf__region_want {
    hf_region_kind kind;
    const char *name;
    const struct hf__region_rule *rules;
    uint32_t rule_count;                   /* at most HF__REGION_RULES_MAX */
    size_t bytes;                          /* of the state */
    void (*begin)(void *state, void *arg); /* makes the zero-filled state of a new policy what it shall begin as, before
                                              anybody can find it. NULL: zero is right. */
    void *begin_arg;
};

/* Finds the state of the policy `want`, or makes it zero-filled. Returns 0 with *out_state set; or 0 with
 * NULL when the region says that the policy shall stay local (counted); or an error. */
int hf__region_place(hf_region *region, const struct hf__region_want *want, void **out_state, hf_error *error);

/* The same for a policy that may live in a region: with none, or when it shall stay local, its state is `own`, zeroed
 * memory of this process, and *out_home is NULL. Otherwise *out_home is a reference to the region, which
 * hf__region_unref gives back when the state is needed no more. `begin` is called for either. */
int hf__region_house(hf_region *region, const struct hf__region_want *want, void *own, void **out_state,
                     hf_region **out_home, hf_error *error);

/* References, for policies that live in it. NULL is fine for unref. */
hf_region *hf__region_ref(hf_region *region);
void hf__region_unref(hf_region *region);

/* An owner of leases: process slot 8 | serial 14. 0 is nobody: only time ends what nobody owns. */
#define HF__OWNER_SERIAL_BITS 14

/* Who this process is in the region; claims a slot the first time, and again in a forked child. 0 when
 * all slots are taken or the system gives no descriptor; then every 1024th call tries again. */
uint32_t hf__region_owner(hf_region *region);

/* Is the process that was given `owner` alive? For nobody: false, so what nobody owns ends with its lease. One
 * system call unless it is this process. */
bool hf__region_alive(const hf_region *region, uint32_t owner);

/* ---- a region seen from outside (holdfast/region_view.h) ---- */

#define HF__REGION_RULES_MAX 24

struct hf_region_view;

/* A policy as its entry tells of it. `state` has `bytes` bytes, at a cache line. It is not const, so that a policy can
 * stand on it and be asked, but can only be read: a write is a crash. */
struct hf__region_seen {
    char name[HF_NAME_MAX + 1];
    uint32_t rule_count;
    uint64_t rules[HF__REGION_RULES_MAX];
    uint64_t bytes;
    void *state;
};

/* HF_E_STATE when there is no policy of that kind at `index`, or its entry makes no sense; whether its rules do is for
 * the caller to see. HF_E_INVALID for no view or no such index. */
int hf__region_view_find(const struct hf_region_view *view, uint32_t index, hf_region_kind kind,
                         struct hf__region_seen *out);

/* As hf__region_alive. */
bool hf__region_view_alive(const struct hf_region_view *view, uint32_t owner);

#endif
