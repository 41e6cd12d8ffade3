/* SPDX-License-Identifier: MIT */
#include <holdfast/curl.h>

#include "base/num.h"
#include "drive/cancel.h"
#include "drive/clock.h"
#include "drive/seed.h"
#include "engine/pipeline.h"
#include "engine/result.h"
#include "http/curl_options.h"
#include "http/libcurl_ready.h"
#include "http/multi_list.h"
#include "http/transfer.h"
#include "os/error_text.h"
#include "os/waiter.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* The door drives each transfer in a curl multi of its own: so it keeps deadlines itself, to the
 * millisecond, and a cancel from another thread wakes it at once, while TIMEOUT_MS and XFERINFO stay the
 * caller's. */
struct hf_curl {
    hf_pipeline *pipeline;
    struct hf__rules rules;
    struct hf__multi_list multis;
};

/* One hf_curl_perform. libcurl is touched first when there is something to send or to wait for: a rejected
 * call costs neither a multi nor an option. */
struct visit {
    hf_curl *door;
    hf_curl_options options;
    struct hf__transfer transfer;
    CURLM *multi;                 /* NULL: libcurl was not needed yet */
    _Atomic(CURLM *) woken_multi; /* the same, for those who wake */
    atomic_bool woken;
    struct hf__cancel_watch watch;
    struct curl_slist key_node;      /* leads the caller's headers, which are not changed ... */
    struct curl_slist *bare_headers; /* ... and are what remains on the handle */
    char key_header[HF__KEY_HEADER_SIZE];
    uint32_t running; /* serial of the attempt in flight, 0: none */
    hf_call call;     /* last: hf_call_begin fills it, nothing clears its 1 KiB */
};

static hf_time now_of(const struct visit *visit) { return hf_clock_now(visit->options.clock); }

/* A wake may come before there is a multi to wake. It sets `woken` and then looks for the multi; the waiting
 * thread shows the multi and then looks at `woken`: at least one of them sees the other. */
static void wake_visit(void *arg) {
    struct visit *visit = arg;
    atomic_store(&visit->woken, true);
    CURLM *multi = atomic_load(&visit->woken_multi);
    if (multi != NULL) (void)curl_multi_wakeup(multi);
}

/* ---- borrowing libcurl ---- */

static bool ready(struct visit *visit) {
    if (visit->multi != NULL) return true;
    visit->multi = hf__multi_list_take(&visit->door->multis);
    if (visit->multi == NULL) return false;
    hf__transfer_attach(&visit->transfer);
    if (visit->options.buffer_max_bytes > 0) {
        (void)curl_easy_setopt(visit->transfer.easy, CURLOPT_WRITEFUNCTION, hf__transfer_on_body);
        (void)curl_easy_setopt(visit->transfer.easy, CURLOPT_WRITEDATA, &visit->transfer);
    }
    if (visit->options.headers != NULL) {
        (void)curl_easy_setopt(visit->transfer.easy, CURLOPT_HTTPHEADER, visit->options.headers);
    }
    atomic_store(&visit->woken_multi, visit->multi);
    visit->watch.wake = wake_visit;
    visit->watch.arg = visit;
    hf__cancel_watch_add(visit->options.cancel, &visit->watch);
    return true;
}

static void release(struct visit *visit) {
    if (visit->multi == NULL) return;
    hf__cancel_watch_remove(visit->options.cancel, &visit->watch);
    hf__transfer_detach(&visit->transfer);
    if (visit->options.buffer_max_bytes > 0) {
        (void)curl_easy_setopt(visit->transfer.easy, CURLOPT_WRITEFUNCTION, visit->options.write_function);
        (void)curl_easy_setopt(visit->transfer.easy, CURLOPT_WRITEDATA, visit->options.write_data);
    }
    if (visit->options.headers != NULL) {
        (void)curl_easy_setopt(visit->transfer.easy, CURLOPT_HTTPHEADER, visit->bare_headers);
    }
    hf__multi_list_give(&visit->door->multis, visit->multi);
}

/* ---- one attempt ---- */

static void report(struct visit *visit, uint32_t serial, hf_outcome outcome) {
    visit->running = 0;
    if (hf_cancel_raised(visit->options.cancel)) hf_call_cancel(&visit->call);
    (void)hf_call_report(&visit->call, serial, outcome, now_of(visit));
}

/* Takes the transfer out of the multi, however far it has come, and reports it. */
static void finish(struct visit *visit, CURLcode code) {
    (void)curl_multi_remove_handle(visit->multi, visit->transfer.easy);
    report(visit, visit->running, hf__transfer_end(&visit->transfer, code));
}

static void refuse_to_start(struct visit *visit, uint32_t serial, CURLcode code) {
    visit->transfer.code = code;
    report(visit, serial, hf_neutral((int32_t)code));
}

static void start(struct visit *visit, const hf_step *step) {
    if (!ready(visit)) {
        refuse_to_start(visit, step->attempt, CURLE_OUT_OF_MEMORY);
        return;
    }
    if (!hf__transfer_begin(&visit->transfer, step->attempt, step->number)) {
        refuse_to_start(visit, step->attempt, CURLE_SEND_FAIL_REWIND);
        return;
    }
    CURLMcode rc = curl_multi_add_handle(visit->multi, visit->transfer.easy);
    if (rc != CURLM_OK) {
        /* The handle is no handle, or in use by somebody else. */
        refuse_to_start(visit, step->attempt,
                        rc == CURLM_OUT_OF_MEMORY ? CURLE_OUT_OF_MEMORY : CURLE_BAD_FUNCTION_ARGUMENT);
        return;
    }
    visit->running = step->attempt;
}

/* Lets libcurl work; true when the attempt has ended and was reported. */
static bool work(struct visit *visit) {
    int running, left;
    CURLMcode rc = curl_multi_perform(visit->multi, &running);
    CURLMsg *message;
    while ((message = curl_multi_info_read(visit->multi, &left)) != NULL) {
        if (message->msg != CURLMSG_DONE) continue;
        finish(visit, message->data.result);
        return true;
    }
    if (rc == CURLM_OK) return false;
    finish(visit, rc == CURLM_OUT_OF_MEMORY ? CURLE_OUT_OF_MEMORY : CURLE_FAILED_INIT);
    return true;
}

/* Waits until `at`, a wake, a cancel, or news from the network, or for less. True: somebody woke it, the engine may have
 * something to say. */
static bool wait_until(struct visit *visit, hf_time at) {
    const hf_clock *clock = visit->options.clock;
    bool is_virtual = clock->wait != NULL;
    if (is_virtual && !visit->running && at != HF_NEVER) {
        bool woken = atomic_exchange(&visit->woken, false);
        if (!woken) clock->wait(clock, at);
        return woken;
    }
    if (!ready(visit)) {
        hf__waiter_nap(at);
        return true;
    }
    if (atomic_exchange(&visit->woken, false)) return true;
    int64_t ms = hf__ns_to_ms_up(hf__left(at, now_of(visit)));
    /* A virtual clock stands still while the network is waited for: somebody else may move it. */
    int64_t longest = is_virtual ? 10 : 60000;
    (void)curl_multi_poll(visit->multi, NULL, 0, (int)hf__min(ms, longest), NULL);
    return atomic_exchange(&visit->woken, false);
}

/* Works and waits until the attempt has ended, `at` has come, or somebody wakes: until then the engine would only say
 * again what it said. */
static void attend(struct visit *visit, hf_time at) {
    while (!work(visit)) {
        if (wait_until(visit, at) || now_of(visit) >= at) return;
    }
}

static hf_outcome run_fallback(struct visit *visit, const hf_step *step) {
    hf_result failed;
    hf_call_result(&visit->call, &failed);
    return hf_fallback_run(step->fallback, visit->options.fallback_arg, &failed);
}

static void drive(struct visit *visit) {
    for (;;) {
        if (hf_cancel_raised(visit->options.cancel)) hf_call_cancel(&visit->call);
        hf_step step;
        switch ((hf_step_kind)hf_call_step(&visit->call, &step, now_of(visit))) {
        case HF_STEP_START: start(visit, &step); break;
        case HF_STEP_RUN:
            (void)hf_call_report(&visit->call, step.attempt, run_fallback(visit, &step), now_of(visit));
            break;
        case HF_STEP_CANCEL:
            finish(visit,
                   hf_cancel_raised(visit->options.cancel) ? CURLE_ABORTED_BY_CALLBACK : CURLE_OPERATION_TIMEDOUT);
            break;
        case HF_STEP_WAIT:
            if (visit->running == 0) (void)wait_until(visit, step.at);
            else attend(visit, step.at);
            break;
        case HF_STEP_DONE: return;
        }
    }
}

/* ---- the call ---- */

/* False for arguments that are not as curl.h describes them. */
static bool enter(struct visit *visit, hf_curl *door, CURL *easy, const hf_curl_options *options) {
    memset(visit, 0, offsetof(struct visit, call));
    if (!hf__curl_options_resolve(&visit->options, options) || door == NULL || easy == NULL) return false;
    visit->door = door;
    visit->transfer.easy = easy;
    visit->transfer.call = &visit->call;
    visit->transfer.rules = &door->rules;
    visit->transfer.options = &visit->options;
    visit->transfer.code = CURLE_FAILED_INIT;
    visit->transfer.resends_allowed = UINT32_MAX;
    visit->bare_headers = visit->options.headers;
    bool has_key = hf__curl_key_header(visit->key_header, &visit->options);
    visit->transfer.keyed = has_key && visit->options.idempotent != HF_CURL_NOT_IDEMPOTENT;
    if (has_key) {
        visit->key_node.data = visit->key_header;
        visit->key_node.next = visit->options.headers;
        visit->options.headers = &visit->key_node;
    }
    return true;
}

static CURLcode answer(struct visit *visit, int status, const hf_result *result) {
    if (status == HF_E_REJECTED) return CURLE_COULDNT_CONNECT;
    if (status == HF_E_TIMEOUT) return CURLE_OPERATION_TIMEDOUT;
    if (status == HF_E_CANCELLED) return CURLE_ABORTED_BY_CALLBACK;
    if (hf_result_flags(result) & HF_RESULT_FALLBACK) return CURLE_OK;
    if (!visit->transfer.delivered) return visit->transfer.code;
    return hf__transfer_flush(&visit->transfer);
}

CURLcode hf_curl_perform(hf_curl *door, CURL *easy, const hf_curl_options *options) {
    struct visit visit;
    hf_result result;
    if (!enter(&visit, door, easy, options)) {
        hf__result_init(&result, HF_E_INVALID);
        if (visit.options.out_result != NULL) *visit.options.out_result = result;
        return CURLE_BAD_FUNCTION_ARGUMENT;
    }
    hf_time now = now_of(&visit);
    hf_call_options call_options;
    hf_call_options_init(&call_options);
    call_options.priority = visit.options.priority;
    call_options.tag = visit.options.tag;
    call_options.wake = wake_visit;
    call_options.wake_arg = &visit;
    call_options.key = visit.options.key;
    call_options.weight = visit.options.weight;
    call_options.seed = visit.options.seed == HF_SEED_AUTO ? hf__seed_next() : visit.options.seed;
    call_options.deadline_at = hf__min(visit.options.deadline_at, hf__add(now, hf__max(visit.options.timeout_ns, 0)));
    (void)hf_call_begin(&visit.call, door->pipeline, &call_options, now); /* fails for bad arguments only */
    drive(&visit);
    release(&visit);
    int status = hf_call_end(&visit.call, &result);
    CURLcode code = answer(&visit, status, &result);
    hf__transfer_free(&visit.transfer);
    if (visit.options.out_result != NULL) *visit.options.out_result = result;
    return code;
}

/* ---- the door ---- */

int hf_curl_new(hf_curl **out_door, hf_pipeline *pipeline, hf_error *error) {
    if (out_door == NULL) return hf__error_set(error, HF_E_INVALID, "hf_curl_new: out_door is NULL");
    *out_door = NULL;
    if (pipeline == NULL) return hf__error_set(error, HF_E_INVALID, "hf_curl_new: pipeline is NULL");
    if (hf_pipeline_needs(pipeline) & HF_NEEDS_OVERLAP) {
        return hf__error_set(error, HF_E_UNSUPPORTED,
                             "hf_curl_new: pipeline \"%s\" has a hedge, and a door makes one attempt at a time: use an "
                             "hf_client, or a pipeline without a hedge",
                             hf_pipeline_name(pipeline));
    }
    int rc = hf__libcurl_ready("hf_curl_new", error);
    if (rc < 0) return rc;
    hf_curl *door = calloc(1, sizeof *door);
    if (door == NULL) return hf__error_set(error, HF_E_NOMEM, "hf_curl_new: no memory for a door");
    if (!hf__multi_list_init(&door->multis)) {
        free(door);
        return hf__error_set(error, HF_E_SYSTEM, "hf_curl_new: the system gives no mutex");
    }
    door->pipeline = hf__pipeline_ref(pipeline);
    *out_door = door;
    return 0;
}

void hf_curl_free(hf_curl *door) {
    if (door == NULL) return;
    hf__multi_list_fini(&door->multis);
    hf_pipeline_free(door->pipeline);
    free(door);
}

/* ---- its classification ---- */

static int check_rule(const hf_curl *door, const hf_curl_rule *rule, const char *who, hf_error *error) {
    if (door == NULL || rule == NULL) {
        return hf__error_set(error, HF_E_INVALID, "%s: %s is NULL", who, door == NULL ? "door" : "rule");
    }
    if (rule->kind < HF_SUCCESS || rule->kind > HF_NEUTRAL) {
        return hf__error_set(error, HF_E_INVALID, "%s: rule.kind is %d, expected an hf_kind, 0 to 3", who,
                             (int)rule->kind);
    }
    if (rule->repeat < HF_CURL_REPEAT_NEVER || rule->repeat > HF_CURL_REPEAT_ANY) {
        return hf__error_set(error, HF_E_INVALID, "%s: rule.repeat is %d, expected an hf_curl_repeat, 0 to 4", who,
                             (int)rule->repeat);
    }
    if (rule->flags & ~(HF_CURL_HINT | HF_CURL_HINT_REQUIRED)) {
        return hf__error_set(error, HF_E_INVALID,
                             "%s: rule.flags is 0x%x, expected HF_CURL_HINT and HF_CURL_HINT_REQUIRED only", who,
                             (unsigned)rule->flags);
    }
    return 0;
}

static int too_many(const char *who, hf_error *error) {
    return hf__error_set(error, HF_E_STATE, "%s: %d rows are replaced already, no more fit", who, HF__RULES_MAX);
}

int hf_curl_set_status_rule(hf_curl *door, long status, const hf_curl_rule *rule, hf_error *error) {
    int rc = check_rule(door, rule, "hf_curl_set_status_rule", error);
    if (rc < 0) return rc;
    if (status < 200 || status > 999) {
        return hf__error_set(error, HF_E_INVALID, "hf_curl_set_status_rule: status is %ld, expected 200 to 999",
                             status);
    }
    return hf__set_status_rule(&door->rules, status, *rule) ? 0 : too_many("hf_curl_set_status_rule", error);
}

int hf_curl_set_code_rule(hf_curl *door, CURLcode code, bool reached, const hf_curl_rule *rule, hf_error *error) {
    int rc = check_rule(door, rule, "hf_curl_set_code_rule", error);
    if (rc < 0) return rc;
    if (code == CURLE_OK) {
        return hf__error_set(error, HF_E_INVALID,
                             "hf_curl_set_code_rule: code is CURLE_OK, which is judged by its status");
    }
    return hf__set_code_rule(&door->rules, (int)code, reached, *rule) ? 0 : too_many("hf_curl_set_code_rule", error);
}

hf_curl_rule hf_curl_status_rule(const hf_curl *door, long status) {
    return hf__status_rule(door == NULL ? NULL : &door->rules, status);
}

hf_curl_rule hf_curl_code_rule(const hf_curl *door, CURLcode code, bool reached) {
    return hf__code_rule(door == NULL ? NULL : &door->rules, (int)code, reached);
}
