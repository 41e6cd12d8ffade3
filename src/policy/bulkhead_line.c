/* SPDX-License-Identifier: MIT */
#include "policy/bulkhead_line.h"

#include <stddef.h>

void hf__line_join(struct hf__line *line, struct hf__place *place) {
    uint32_t priority = place->caller->priority;
    place->ahead = line->last[priority];
    place->behind = NULL;
    if (place->ahead != NULL) place->ahead->behind = place;
    else line->first[priority] = place;
    line->last[priority] = place;
    line->waiting[priority]++;
    line->total++;
}

void hf__line_leave(struct hf__line *line, struct hf__place *place) {
    uint32_t priority = place->caller->priority;
    if (place->ahead != NULL) place->ahead->behind = place->behind;
    else line->first[priority] = place->behind;
    if (place->behind != NULL) place->behind->ahead = place->ahead;
    else line->last[priority] = place->ahead;
    line->waiting[priority]--;
    line->total--;
}

struct hf__place *hf__line_next(const struct hf__line *line, const struct hf__owed *owed) {
    uint32_t chosen = HF_PRIORITIES;
    for (uint32_t p = HF_PRIORITIES; p-- > 0;) {
        if (line->waiting[p] == 0) continue;
        if (owed->slots[p] > 0 || chosen == HF_PRIORITIES || owed->slots[chosen] == 0) chosen = p;
    }
    if (chosen == HF_PRIORITIES) return NULL;
    return line->newest_first ? line->last[chosen] : line->first[chosen];
}

struct hf__place *hf__line_victim(const struct hf__line *line, const struct hf__owed *owed, uint32_t priority) {
    bool has_a_right = line->waiting[priority] < owed->slots[priority];
    for (uint32_t p = HF_PRIORITIES; p-- > 0;) {
        if (line->waiting[p] <= owed->slots[p]) continue;
        if (p <= priority && !has_a_right) return NULL;
        return line->newest_first ? line->first[p] : line->last[p];
    }
    return NULL;
}

uint32_t hf__line_before_newcomer(const struct hf__line *line, uint32_t priority) {
    uint32_t before = 0;
    for (uint32_t p = 0; p < priority; p++) before += line->waiting[p];
    return line->newest_first ? before : before + line->waiting[priority];
}

bool hf__line_before_tag(const struct hf__line *line, const void *tag, uint32_t *out) {
    uint32_t before = 0;
    for (uint32_t p = 0; p < HF_PRIORITIES; p++) {
        const struct hf__place *place = line->newest_first ? line->last[p] : line->first[p];
        for (; place != NULL; place = line->newest_first ? place->ahead : place->behind, before++) {
            if (place->caller->tag != tag) continue;
            *out = before;
            return true;
        }
    }
    return false;
}
