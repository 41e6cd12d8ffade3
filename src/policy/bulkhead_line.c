/* SPDX-License-Identifier: MIT */
#include "policy/bulkhead_line.h"

#include <stddef.h>

void hf__line_join(struct hf__line *line, struct hf__place *place) {
    place->ahead = line->last;
    place->behind = NULL;
    if (line->last != NULL) line->last->behind = place;
    else line->first = place;
    line->last = place;
}

void hf__line_leave(struct hf__line *line, struct hf__place *place) {
    if (place->ahead != NULL) place->ahead->behind = place->behind;
    else line->first = place->behind;
    if (place->behind != NULL) place->behind->ahead = place->ahead;
    else line->last = place->ahead;
}

struct hf__place *hf__line_next(const struct hf__line *line) {
    return line->first;
}
