/* SPDX-License-Identifier: MIT */
#include <holdfast/switches.h>

#include "engine/pipeline.h"
#include "os/must.h"
#include "policy/config_check.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* What is switched are words in the policies and in the groups (engine/policy.h). The registry is a list of them under a
 * mutex that no call takes. A group outlives the registry as long as a policy is in it. */
struct hf_switches {
    pthread_mutex_t mutex;
    struct {
        hf_policy **policies;
        size_t count, room;
        struct hf__switch_group **groups;
        size_t group_count, group_room;
    } locked;
};

static void lock(hf_switches *s) { HF_MUST(pthread_mutex_lock(&s->mutex) == 0); }
static void unlock(hf_switches *s) { HF_MUST(pthread_mutex_unlock(&s->mutex) == 0); }

int hf_switches_new(hf_switches **out_switches, hf_error *error) {
    if (out_switches == NULL) {
        return hf__error_set(error, HF_E_INVALID, "switches: there is nowhere to put the handle (NULL)");
    }
    *out_switches = calloc(1, sizeof **out_switches);
    if (*out_switches == NULL) return hf__error_set(error, HF_E_NOMEM, "switches: no memory");
    HF_MUST(pthread_mutex_init(&(*out_switches)->mutex, NULL) == 0);
    return 0;
}

void hf_switches_free(hf_switches *s) {
    if (s == NULL) return;
    for (size_t i = 0; i < s->locked.count; i++) hf__policy_unref(s->locked.policies[i]);
    for (size_t i = 0; i < s->locked.group_count; i++) hf__switch_group_unref(s->locked.groups[i]);
    free(s->locked.policies);
    free(s->locked.groups);
    HF_MUST(pthread_mutex_destroy(&s->mutex) == 0);
    free(s);
}

/* ---- adding ---- */

/* Room for one more in an array of pointers. */
static bool grow(void **array, size_t count, size_t *room, size_t size) {
    if (count < *room) return true;
    size_t wanted = *room == 0 ? 16 : *room * 2;
    void *grown = realloc(*array, wanted * size);
    if (grown == NULL) return false;
    *array = grown;
    *room = wanted;
    return true;
}

static struct hf__switch_group *find_group_locked(hf_switches *s, const char *name) {
    for (size_t i = 0; i < s->locked.group_count; i++) {
        if (strcmp(s->locked.groups[i]->name, name) == 0) return s->locked.groups[i];
    }
    return NULL;
}

static void free_group(struct hf__switch_group *group) { free(group); }

static struct hf__switch_group *group_locked(hf_switches *s, const char *name) {
    struct hf__switch_group *group = find_group_locked(s, name);
    if (group != NULL) return group;
    void *groups = s->locked.groups;
    bool room = grow(&groups, s->locked.group_count, &s->locked.group_room, sizeof group);
    s->locked.groups = groups;
    if (!room || (group = calloc(1, sizeof *group)) == NULL) return NULL;
    atomic_init(&group->references, 1);
    group->destroy = free_group;
    memcpy(group->name, name, strlen(name));
    s->locked.groups[s->locked.group_count++] = group;
    return group;
}

static void join_group(hf_policy *policy, struct hf__switch_group *group) {
    atomic_fetch_add_explicit(&group->references, 1, memory_order_relaxed);
    policy->group = group;
    /* Release: whoever sees the bit sees the group. */
    atomic_fetch_or_explicit(&policy->mode, HF__GROUPED, memory_order_release);
}

static int add_locked(hf_switches *s, hf_policy *policy, const char *group_name, hf_error *error) {
    for (size_t i = 0; i < s->locked.count; i++) {
        if (s->locked.policies[i] == policy) {
            return hf__error_set(error, HF_E_STATE, "switches: %s \"%s\" is registered already", policy->ops->kind,
                                 policy->name);
        }
    }
    if (group_name != NULL && policy->group != NULL) {
        return hf__error_set(error, HF_E_STATE, "switches: %s \"%s\" is in the group \"%s\" already", policy->ops->kind,
                             policy->name, policy->group->name);
    }
    void *policies = s->locked.policies;
    bool room = grow(&policies, s->locked.count, &s->locked.room, sizeof policy);
    s->locked.policies = policies;
    struct hf__switch_group *group = NULL;
    if (room && group_name != NULL) room = (group = group_locked(s, group_name)) != NULL;
    if (!room)
        return hf__error_set(error, HF_E_NOMEM, "switches: no memory for %s \"%s\"", policy->ops->kind, policy->name);
    s->locked.policies[s->locked.count++] = hf__policy_ref(policy);
    if (group != NULL) join_group(policy, group);
    return 0;
}

int hf_switches_add(hf_switches *s, hf_policy *policy, const char *group, hf_error *error) {
    if (policy == NULL) return hf__error_set(error, HF_E_INVALID, "switches: the policy is missing (NULL)");
    int rc = group == NULL ? 0 : hf__check_name("switch group", group, error);
    if (rc < 0) return rc;
    lock(s);
    rc = add_locked(s, policy, group, error);
    unlock(s);
    return rc;
}

/* ---- switching ---- */

static bool is_switch(hf_switch mode) { return (uint32_t)mode <= HF_SWITCH_METRICS_ONLY; }

/* A policy that is never asked whether to admit cannot turn back. */
static bool can(const hf_policy *policy, hf_switch mode) {
    return mode != HF_SWITCH_FORCED_OPEN || policy->ops->admit != NULL;
}

static void set_own(hf_policy *policy, uint32_t mode) {
    uint32_t seen = atomic_load_explicit(&policy->mode, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&policy->mode, &seen, (seen & HF__GROUPED) | mode,
                                                  memory_order_relaxed, memory_order_relaxed)) {
    }
}

static int set_locked(hf_switches *s, const char *name, hf_switch mode) {
    int found = 0;
    for (size_t i = 0; i < s->locked.count; i++) {
        if (strcmp(s->locked.policies[i]->name, name) != 0) continue;
        if (!can(s->locked.policies[i], mode)) return HF_E_UNSUPPORTED;
        found++;
    }
    if (found == 0) return HF_E_INVALID;
    for (size_t i = 0; i < s->locked.count; i++) {
        if (strcmp(s->locked.policies[i]->name, name) == 0) set_own(s->locked.policies[i], mode);
    }
    return found;
}

int hf_switches_set(hf_switches *s, const char *name, hf_switch mode) {
    if (name == NULL || !is_switch(mode)) return HF_E_INVALID;
    lock(s);
    int rc = set_locked(s, name, mode);
    unlock(s);
    return rc;
}

static int set_group_locked(hf_switches *s, const char *name, hf_switch mode) {
    struct hf__switch_group *group = find_group_locked(s, name);
    if (group == NULL) return HF_E_INVALID;
    int members = 0;
    for (size_t i = 0; i < s->locked.count; i++) members += s->locked.policies[i]->group == group;
    atomic_store_explicit(&group->mode, mode, memory_order_relaxed);
    return members;
}

int hf_switches_set_group(hf_switches *s, const char *name, hf_switch mode) {
    if (name == NULL || !is_switch(mode)) return HF_E_INVALID;
    lock(s);
    int rc = set_group_locked(s, name, mode);
    unlock(s);
    return rc;
}

/* ---- looking ---- */

void hf_switches_each(hf_switches *s, hf_switches_visit *visit, void *arg) {
    lock(s);
    for (size_t i = 0; i < s->locked.count; i++) {
        const hf_policy *policy = s->locked.policies[i];
        hf_switch_info info = {
            .struct_size = (uint32_t)sizeof info,
            .own = atomic_load_explicit(&policy->mode, memory_order_relaxed) & ~HF__GROUPED,
            .effective = hf__policy_mode(policy),
            .kind = policy->ops->kind,
            .name = policy->name,
            .group = policy->group == NULL ? NULL : policy->group->name,
        };
        visit(arg, &info);
    }
    unlock(s);
}

const char *hf_switch_name(int32_t mode) {
    switch ((hf_switch)mode) {
    case HF_SWITCH_NORMAL: return "normal";
    case HF_SWITCH_DISABLED: return "disabled";
    case HF_SWITCH_FORCED_OPEN: return "forced open";
    case HF_SWITCH_METRICS_ONLY: return "metrics only";
    }
    return "unknown";
}

hf_policy *hf_pipeline_policy(const hf_pipeline *pipeline, size_t place) {
    return place < pipeline->count ? pipeline->policies[place] : NULL;
}
