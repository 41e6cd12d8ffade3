/* SPDX-License-Identifier: MIT */
/* Kill switch and load shedding: an operator closes a dependency, and everything optional at once, while calls go on. The
 * operator here is a few lines in main; yours is an admin page or a signal that calls hf_switches_set.
 *
 *     build/release/examples/kill_switch
 */
#include <holdfast/holdfast.h>

#include <stdio.h>

static hf_outcome answer(void *arg, const hf_attempt *attempt) {
    (void)arg, (void)attempt;
    return hf_success();
}

/* A service with a breaker of its own, named after it. */
static hf_pipeline *make_service(hf_switches *switches, const char *name, const char *group) {
    hf_breaker *breaker = NULL;
    hf_pipeline *pipeline = NULL;
    hf_error error;
    int rc = hf_breaker_new(&breaker, name, NULL, &error);
    hf_policy *order[] = {hf_breaker_policy(breaker)};
    if (rc == 0) rc = hf_pipeline_new(&pipeline, name, order, 1, &error);
    if (rc == 0) rc = hf_switches_add(switches, order[0], group, &error);
    if (rc < 0) fprintf(stderr, "%s\n", hf_error_text(&error));
    hf_breaker_free(breaker); /* the pipeline keeps it */
    return pipeline;
}

static void call(hf_pipeline *service) {
    hf_result result;
    int rc = hf_run(service, answer, NULL, NULL, &result);
    printf("  %-15s %s\n", hf_pipeline_name(service), rc == 0 ? "ok" : hf_reason_text(hf_result_reason(&result)));
}

static void call_all(const char *when, hf_pipeline **services, int count) {
    printf("%s\n", when);
    for (int i = 0; i < count; i++) call(services[i]);
}

static void show(void *arg, const hf_switch_info *info) {
    (void)arg;
    printf("  %s %-15s %s%s%s\n", info->kind, info->name, hf_switch_name((int32_t)info->effective),
           info->group == NULL ? "" : ", group ", info->group == NULL ? "" : info->group);
}

int main(void) {
    hf_switches *switches;
    if (hf_switches_new(&switches, NULL) < 0) return 1;
    hf_pipeline *services[] = {make_service(switches, "payments", NULL),
                               make_service(switches, "recommendations", "optional"),
                               make_service(switches, "reviews", "optional")};
    call_all("a normal day", services, 3);

    hf_switches_set_group(switches, "optional", HF_SWITCH_FORCED_OPEN);
    call_all("load shedding: all that is optional, at one instant", services, 3);

    hf_switches_set(switches, "reviews", HF_SWITCH_METRICS_ONLY); /* a name beats its group */
    hf_switches_set(switches, "payments", HF_SWITCH_FORCED_OPEN);
    call_all("payments killed, reviews let through", services, 3);

    printf("the switches\n");
    hf_switches_each(switches, show, NULL);

    hf_switches_set(switches, "payments", HF_SWITCH_NORMAL);
    hf_switches_set(switches, "reviews", HF_SWITCH_NORMAL);
    hf_switches_set_group(switches, "optional", HF_SWITCH_NORMAL);
    call_all("over", services, 3);
    for (int i = 0; i < 3; i++) hf_pipeline_free(services[i]);
    hf_switches_free(switches);
    return 0;
}
