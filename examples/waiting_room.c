/* SPDX-License-Identifier: MIT */
/* A waiting room: one ticket desk, room for four who wait, and a board that tells each its place and how long it
 * will take. Whoever comes when the room is full is told so at the door, instead of waiting for nothing.
 *
 *     build/release/examples/waiting_room
 */
#include <holdfast/holdfast.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#define GUESTS 6

struct guest {
    const char *name;
    pthread_t thread;
    hf_result result;
};

static hf_bulkhead *desk;
static hf_pipeline *shop;
static atomic_bool open_now;
static struct guest guests[GUESTS];

static void pause_ms(long ms) { nanosleep(&(struct timespec){.tv_nsec = ms * 1000000}, NULL); }

static void show_board(void) {
    for (int i = 0; i < GUESTS; i++) {
        hf_line_place place = {.struct_size = sizeof place};
        if (hf_bulkhead_line(desk, &guests[i], &place) != 0) continue; /* served, or gone */
        printf("  board: %s is number %u of %u", guests[i].name, place.place, place.waiting);
        if (place.estimate_ns != HF_NEVER) printf(", about %lld ms", (long long)(place.estimate_ns / HF_MILLISECOND));
        printf("\n");
    }
}

/* The work itself: one sale takes 20 ms, and none before the doors open. */
static hf_outcome sell_ticket(void *arg, const hf_attempt *attempt) {
    const struct guest *guest = arg;
    (void)attempt;
    while (!atomic_load(&open_now)) pause_ms(1);
    pause_ms(20);
    printf("%s has a ticket\n", guest->name);
    show_board();
    return hf_success();
}

static void *visit(void *arg) {
    struct guest *guest = arg;
    hf_run_options options;
    hf_run_options_init(&options);
    options.tag = guest; /* what the board asks for */
    if (hf_run(shop, sell_ticket, guest, &options, &guest->result) != 0) {
        printf("%s goes home: %s\n", guest->name, hf_reason_text(hf_result_reason(&guest->result)));
    }
    return NULL;
}

/* What a guest who comes now would be told at the door. */
static void show_door(const char *name) {
    hf_line_place place = {.struct_size = sizeof place};
    hf_bulkhead_end_of_line(desk, HF_PRIORITY_NORMAL, &place);
    if (place.place == 0) printf("%s: your turn at once\n", name);
    else if (place.place > 4) printf("%s: no room, please come back later\n", name);
    else printf("%s: please wait, number %u in line\n", name, place.place);
}

int main(void) {
    hf_bulkhead_config config;
    hf_bulkhead_config_init(&config);
    config.max_concurrent = 1;
    config.max_waiting = 4;
    config.max_wait_ms = 60000;
    hf_error error;
    if (hf_bulkhead_new(&desk, "ticket desk", &config, &error) < 0) {
        fprintf(stderr, "%s\n", hf_error_text(&error));
        return 1;
    }
    hf_policy *order[] = {hf_bulkhead_policy(desk)};
    if (hf_pipeline_new(&shop, "tickets", order, 1, &error) < 0) {
        fprintf(stderr, "%s\n", hf_error_text(&error));
        return 1;
    }

    static const char *const names[GUESTS] = {"Ada", "Ben", "Cleo", "Dora", "Emil", "Finn"};
    for (uint32_t i = 0; i < GUESTS; i++) {
        guests[i].name = names[i];
        show_door(guests[i].name);
        if (pthread_create(&guests[i].thread, NULL, visit, &guests[i]) != 0) return 1;
        while (hf_bulkhead_in_flight(desk) + hf_bulkhead_waiting(desk) + hf_bulkhead_rejected(desk) <= i) pause_ms(1);
    }
    show_board();
    printf("the doors open\n");
    atomic_store(&open_now, true);
    for (int i = 0; i < GUESTS; i++) pthread_join(guests[i].thread, NULL);
    hf_pipeline_free(shop);
    hf_bulkhead_free(desk);
    return 0;
}
