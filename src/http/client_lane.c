/* SPDX-License-Identifier: MIT */
#include "http/client_lane.h"

#include "base/num.h"
#include "drive/clock.h"
#include "http/client_exchange.h"
#include "http/cures.h"
#include "os/monotonic.h"
#include "os/must.h"

#include <sys/eventfd.h>
#include <unistd.h>

static _Thread_local struct hf__lane *current;

struct hf__lane *hf__lane_current(void) {
    return current;
}

/* ---- what libcurl wants: it is not called back from here ---- */

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg) {
    struct hf__lane *lane = arg;
    (void)easy, (void)socket_arg;
    uint32_t events = what == CURL_POLL_IN      ? HF_LOOP_READ
                      : what == CURL_POLL_OUT   ? HF_LOOP_WRITE
                      : what == CURL_POLL_INOUT ? HF_LOOP_READ | HF_LOOP_WRITE
                                                : 0;
    lane->hooks.watch(lane->hooks.arg, fd, events);
    return HF__CURED(19) ? 0 : -1;
}

static int on_timer(CURLM *multi, long after_ms, void *arg) {
    struct hf__lane *lane = arg;
    (void)multi;
    lane->curl_at = after_ms < 0 ? HF_NEVER : hf__add(hf__monotonic_now(), hf__mul(after_ms, HF_MILLISECOND));
    return 0;
}

/* ---- lifecycle ---- */

bool hf__lane_init(struct hf__lane *lane, const struct hf__client_setup *setup, struct hf__resolver *resolver,
                   CURLSH *share, const hf_client_hooks *hooks, curl_closesocket_callback on_close) {
    *lane = (struct hf__lane){.setup = setup,
                              .resolver = resolver,
                              .share = share,
                              .hooks = *hooks,
                              .on_close = on_close,
                              .timer_at = HF_NEVER};
    lane->curl_at = HF_NEVER;
    atomic_init(&lane->asleep, 1);
    lane->multi = curl_multi_init();
    if (lane->multi == NULL) return false;
    lane->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (lane->wake_fd < 0) {
        (void)curl_multi_cleanup(lane->multi);
        return false;
    }
    (void)curl_multi_setopt(lane->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    (void)curl_multi_setopt(lane->multi, CURLMOPT_SOCKETDATA, lane);
    (void)curl_multi_setopt(lane->multi, CURLMOPT_TIMERFUNCTION, on_timer);
    (void)curl_multi_setopt(lane->multi, CURLMOPT_TIMERDATA, lane);
    (void)curl_multi_setopt(lane->multi, CURLMOPT_MAXCONNECTS, (long)setup->config.max_connections_kept);
    if (!HF__CURED(15)) (void)curl_multi_setopt(lane->multi, CURLMOPT_MAX_HOST_CONNECTIONS, 1L);
    lane->hooks.watch(lane->hooks.arg, lane->wake_fd, HF_LOOP_READ);
    return true;
}

static bool take_inbox(struct hf__lane *lane);

void hf__lane_fini(struct hf__lane *lane) {
    current = lane;
    (void)take_inbox(lane);
    while (lane->jobs != NULL) {
        struct hf__job *job = lane->jobs;
        atomic_store_explicit(&job->cancelled, 1, memory_order_release);
        hf__job_drive(job);
        (void)take_inbox(lane);
    }
    current = NULL;
    while (lane->idle != NULL) {
        struct hf__exchange *next = lane->idle->next_idle;
        hf__exchange_destroy(lane->idle);
        lane->idle = next;
    }
    (void)curl_multi_cleanup(lane->multi);
    hf__job_timers_fini(&lane->timers);
}

void hf__lane_close(struct hf__lane *lane) {
    lane->hooks.watch(lane->hooks.arg, lane->wake_fd, 0);
    (void)close(lane->wake_fd);
}

/* ---- the inbox ---- */

void hf__lane_post(struct hf__lane *lane, struct hf__job *job) {
    if (atomic_exchange(&job->posted, 1)) return;
    hf__job_ref(job);
    struct hf__job *first = atomic_load_explicit(&lane->inbox, memory_order_relaxed);
    do job->inbox_next = first;
    while (!atomic_compare_exchange_weak(&lane->inbox, &first, job)); /* (1) */
    if (atomic_exchange(&lane->asleep, 0)) HF_MUST(eventfd_write(lane->wake_fd, 1) == 0);
}

static void adopt(struct hf__lane *lane, struct hf__job *job) {
    job->seen = true;
    job->next = lane->jobs;
    if (job->next != NULL) job->next->prev = job;
    lane->jobs = job;
    lane->job_count++;
    /* Without room for its timer it cannot wait, so it ends at once. */
    if (!hf__job_timers_reserve(&lane->timers, lane->job_count)) atomic_store(&job->cancelled, 1);
}

void hf__lane_forget(struct hf__lane *lane, struct hf__job *job) {
    if (job->next != NULL) job->next->prev = job->prev;
    if (job->prev != NULL) job->prev->next = job->next;
    else lane->jobs = job->next;
    lane->job_count--;
    atomic_fetch_sub_explicit(&lane->in_flight, 1, memory_order_relaxed);
}

/* Drives what was posted, oldest first; false: nothing was. */
static bool take_inbox(struct hf__lane *lane) {
    struct hf__job *taken = atomic_exchange(&lane->inbox, NULL), *list = NULL;
    if (taken == NULL) return false;
    while (taken != NULL) {
        struct hf__job *next = taken->inbox_next;
        taken->inbox_next = list;
        list = taken;
        taken = next;
    }
    while (list != NULL) {
        struct hf__job *job = list;
        list = job->inbox_next;
        atomic_store(&job->posted, 0); /* what comes from here on is news again */
        if (!job->seen) adopt(lane, job);
        hf__job_drive(job);
        hf__job_unref(job);
    }
    return true;
}

/* ---- transfers ---- */

CURLcode hf__lane_add(struct hf__lane *lane, CURL *easy) {
    CURLMcode rc = curl_multi_add_handle(lane->multi, easy);
    return rc == CURLM_OK ? CURLE_OK : rc == CURLM_OUT_OF_MEMORY ? CURLE_OUT_OF_MEMORY : CURLE_FAILED_INIT;
}

void hf__lane_remove(struct hf__lane *lane, CURL *easy) { (void)curl_multi_remove_handle(lane->multi, easy); }

static void end_exchange(struct hf__exchange *x, CURLcode code) {
    struct hf__job *job = x->job;
    if (hf__exchange_go_on(x, &code)) return;
    hf__job_ref(job);
    hf__job_exchange_ended(job, x, code);
    hf__job_drive(job);
    hf__job_unref(job);
}

/* After such an error the states of all transfers are undefined. */
static void end_all(struct hf__lane *lane, CURLcode code) {
    for (struct hf__job *job = lane->jobs, *next; job != NULL; job = next) {
        next = job->next;
        for (uint32_t i = 0; i < HF__JOB_EXCHANGES; i++) {
            struct hf__exchange *x = job->exchange[i];
            if (x != NULL && x->state == HF__EXCHANGE_RUNNING) hf__job_exchange_ended(job, x, code);
        }
        hf__lane_post(lane, job);
    }
}

static void act(struct hf__lane *lane, curl_socket_t fd, int what) {
    int running;
    CURLMcode rc = curl_multi_socket_action(lane->multi, fd, what, &running);
    if (rc == CURLM_OUT_OF_MEMORY) end_all(lane, CURLE_OUT_OF_MEMORY);
    if (rc == CURLM_INTERNAL_ERROR || rc == CURLM_ABORTED_BY_CALLBACK) end_all(lane, CURLE_FAILED_INIT);
}

/* The code is copied and the handle taken out before anything else happens to it. */
static bool read_messages(struct hf__lane *lane) {
    bool any = false;
    int left;
    CURLMsg *message;
    while ((message = curl_multi_info_read(lane->multi, &left)) != NULL) {
        if (message->msg != CURLMSG_DONE) continue;
        CURLcode code = message->data.result;
        char *x = NULL;
        (void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &x);
        end_exchange((struct hf__exchange *)(void *)x, code);
        any = true;
    }
    return any;
}

/* ---- turns ---- */

static bool run_timers(struct hf__lane *lane, hf_time now) {
    bool any = false;
    while (hf__job_timers_next(&lane->timers) <= now) {
        struct hf__job *job = hf__job_timers_first(&lane->timers);
        hf__job_timers_set(&lane->timers, job, HF_NEVER);
        hf__job_drive(job);
        any = true;
    }
    return any;
}

static bool run_curl_timer(struct hf__lane *lane) {
    if (lane->curl_at > hf__monotonic_now()) return false;
    lane->curl_at = HF_NEVER;
    if (HF__CURED(20)) act(lane, CURL_SOCKET_TIMEOUT, 0);
    return true;
}

/* A virtual clock passes at once when nothing real is waited for. */
static bool pass_virtual_time(struct hf__lane *lane) {
    const hf_clock *clock = hf__clock_or_default(NULL);
    if (clock->wait == NULL || lane->exchanges > 0 || lane->timers.count == 0) return false;
    clock->wait(clock, hf__job_timers_next(&lane->timers));
    return true;
}

/* (2) */
static bool may_sleep(struct hf__lane *lane) {
    atomic_store(&lane->asleep, 1);
    if (atomic_load(&lane->inbox) == NULL) return true;
    atomic_store(&lane->asleep, 0);
    return false;
}

hf_time hf__lane_next_at(const struct hf__lane *lane) {
    hf_time at = hf__job_timers_next(&lane->timers);
    /* A virtual clock stands still while the network is waited for: somebody else may move it. */
    if (at != HF_NEVER && hf__clock_or_default(NULL)->wait != NULL) at = hf__monotonic_now() + 10 * HF_MILLISECOND;
    return hf__min(at, lane->curl_at);
}

static void set_timer(struct hf__lane *lane) {
    hf_time at = hf__lane_next_at(lane);
    if (at == lane->timer_at) return;
    lane->timer_at = at;
    int64_t ms = at == HF_NEVER ? -1 : hf__ns_to_ms_up(hf__left(at, hf__monotonic_now()));
    lane->hooks.set_timer(lane->hooks.arg, ms);
}

void hf__lane_timer(struct hf__lane *lane) { lane->timer_at = HF_NEVER; }

void hf__lane_turn(struct hf__lane *lane) {
    struct hf__lane *outer = current;
    current = lane;
    atomic_store(&lane->asleep, 0);
    do {
        bool more;
        do {
            more = take_inbox(lane);
            more = run_timers(lane, hf_clock_now(NULL)) || more;
            more = run_curl_timer(lane) || more;
            more = read_messages(lane) || more;
        } while (more);
    } while (pass_virtual_time(lane) || !may_sleep(lane));
    set_timer(lane);
    current = outer;
}

void hf__lane_event(struct hf__lane *lane, int fd, uint32_t events) {
    if (fd == lane->wake_fd) {
        eventfd_t count;
        (void)eventfd_read(fd, &count);
        return;
    }
    struct hf__lane *outer = current;
    current = lane;
    int what = ((events & HF_LOOP_READ) ? CURL_CSELECT_IN : 0) | ((events & HF_LOOP_WRITE) ? CURL_CSELECT_OUT : 0);
    act(lane, fd, what);
    current = outer;
}
