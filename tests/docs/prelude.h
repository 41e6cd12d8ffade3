/* SPDX-License-Identifier: MIT */
/* What the examples in headers and documents take for granted: the program around them. They are compiled, not run; see
 * tools/check_docs.sh. A new name that examples need is declared here once. */
#include "support/cmocka_all.h"

#include <holdfast/client.h>
#include <holdfast/client_loop.h>
#include <holdfast/completions.h>
#include <holdfast/curl.h>
#include <holdfast/holdfast.h>
#include <holdfast/testing.h>
#include <holdfast/traceparent.h>

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct order {
    int id;
};
extern struct order order;
int bank_charge(struct order *order, int64_t ms);
hf_outcome charge_card(void *arg, const hf_attempt *attempt);
int checkout(struct order *order);

extern hf_error error;
extern hf_result result, failed;
extern hf_pipeline *payments, *pipeline;
extern hf_breaker *breaker;
extern hf_retry *retry;
extern hf_breaker_config config;
extern hf_curl *door;
extern hf_rate_limit *limit;
int too_many(hf_time ask_again_at);
extern const char *user;
extern CURL *easy;

/* A loop of one's own. */
extern void *arg;
hf_time now(void);
void start(uint32_t attempt, hf_time deadline_at);
void stop(uint32_t attempt);
void sleep_until(hf_time at);

/* An HTTP client, and a loop that drives it. */
extern hf_client *client;
extern hf_request request;
extern hf_response *response;
extern hf_completions *queue;
extern void *tag, *my_loop;
extern const char *json;
extern char *incoming_traceparent;
extern hf_loop_watch watch;
extern hf_loop_set_timer set_timer;
extern hf_client_done done;
void answer(void *tag, hf_response *response);
