/* SPDX-License-Identifier: MIT */
/* A row's limits, used directly. */
#include "support/vector_value.h"
#include "support/vector_world.h"

#include <stdio.h>
#include <string.h>

/* "WEIGHT[,wait=DURATION]=ANSWER" into its parts. */
static bool parse(struct vector_world *w, const char *arguments, int64_t *out_weight, int64_t *out_wait,
                  char *out_answer, size_t size) {
    char text[96];
    snprintf(text, sizeof text, "%s", arguments);
    char *answer = strrchr(text, '='), *wait = strstr(text, ",wait=");
    if (answer != NULL) *answer = '\0';
    if (wait != NULL) *wait = '\0';
    *out_wait = 0;
    if (answer == NULL || !vector_number(text, out_weight) || (wait != NULL && !vector_duration(wait + 6, out_wait))) {
        return vector_fault(w, "syntax: expected take:WEIGHT[,wait=DURATION]=ANSWER");
    }
    snprintf(out_answer, size, "%s", answer + 1);
    return true;
}

bool vector_take(struct vector_world *w, const char *arguments) {
    int64_t weight = 0, wait = 0, expected = 0;
    char answer[48], shown[48] = "no";
    if (w->rate == NULL) return vector_fault(w, "syntax: there is no rate limit");
    if (!parse(w, arguments, &weight, &wait, answer, sizeof answer)) return false;
    bool refused = strcmp(answer, "no") == 0;
    if (!refused && !vector_duration(answer, &expected)) return vector_fault(w, "syntax: no answer \"%s\"", answer);
    int rc = hf_rate_limit_take(w->rate, &w->ticket, NULL, (uint32_t)weight, wait, w->now);
    w->checks++;
    if (refused ? rc == HF_E_REJECTED : rc == 0 && w->ticket.at - w->now == expected) return true;
    if (rc == 0) (void)vector_show_duration(w->ticket.at - w->now, shown, sizeof shown);
    return vector_fault(w, "expected %s, found %s", answer, shown);
}

bool vector_refund(struct vector_world *w) {
    if (w->rate == NULL) return vector_fault(w, "syntax: there is no rate limit");
    hf_rate_limit_refund(w->rate, &w->ticket, NULL, w->now);
    return true;
}

bool vector_reset(struct vector_world *w) {
    if (w->limit == NULL) return vector_fault(w, "syntax: there is no adaptive limit");
    hf_concurrency_reset(w->limit, w->now);
    return true;
}
