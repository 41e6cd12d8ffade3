/* SPDX-License-Identifier: MIT */
/* results.json: every figure, for programs. */
#include "demo.h"

#include <holdfast/breaker.h>

#include <math.h>

static void write_ints(FILE *out, const char *name, const int *values, int count) {
    fprintf(out, ", \"%s\": [", name);
    for (int i = 0; i < count; i++) fprintf(out, "%s%d", i == 0 ? "" : ", ", values[i]);
    fprintf(out, "]");
}

static void write_doubles(FILE *out, const char *name, const double *values, int count) {
    fprintf(out, ", \"%s\": [", name);
    for (int i = 0; i < count; i++) {
        fputs(i == 0 ? "" : ", ", out);
        if (isnan(values[i])) fputs("null", out);
        else fprintf(out, "%.1f", values[i]);
    }
    fprintf(out, "]");
}

static void write_changes(FILE *out, const struct figures *f) {
    static const char *const names[BREAKERS] = {"inventory", "payments", "recommendations"};
    fprintf(out, ",\n    \"breaker_changes\": [");
    for (int i = 0; i < f->changes; i++) {
        fprintf(out, "%s{\"at_s\": %.3f, \"breaker\": \"%s\", \"to\": \"%s\"}", i == 0 ? "" : ", ", f->change[i].at_s,
                names[f->change[i].breaker], hf_breaker_state_name(f->change[i].to));
    }
    fprintf(out, "]");
}

static void write_figures(FILE *out, const char *name, const struct plan *plan, const struct figures *f) {
    if (!f->played) {
        fprintf(out, "  \"%s\": null,\n", name);
        return;
    }
    fprintf(out, "  \"%s\": {\n    \"phases\": [", name);
    for (int p = 0; p < PHASES; p++) {
        fprintf(out,
                "%s\n      {\"name\": \"%s\", \"arrived\": %d, \"completed\": %d, \"p50_ms\": %.1f, \"p99_ms\": %.1f}",
                p == 0 ? "" : ",", plan->phase[p].name, plan->phase[p].arrived, f->completed[p], f->p50_ms[p],
                f->p99_ms[p]);
    }
    fprintf(out, "\n    ],\n    \"attempts_dead\": %ld, \"admitted_dead\": %d, \"attempts_per_call\": %.3f",
            f->books.attempts_dead, f->admitted_dead, f->attempts_per_call);
    fprintf(out, ", \"double_charges\": %ld, \"charged_orders\": %ld, \"charged_not_completed\": %d",
            f->books.double_charges, f->books.charged_orders, f->charged_lost);
    fprintf(out, ", \"lost_to_recommendations\": %d, \"fallbacks\": %d, \"max_queue\": %ld", f->lost_to_recommendations,
            f->fell_back, f->books.max_queue);
    fprintf(out, ", \"settled_arrived\": %d, \"settled_completed\": %d", f->settled_arrived, f->settled_completed);
    if (f->recover_s < 0) fprintf(out, ", \"recover_s\": null");
    else fprintf(out, ", \"recover_s\": %.1f", f->recover_s);
    fprintf(out, ",\n    \"bucket_s\": %.2f", BUCKET_S);
    write_ints(out, "arrived", f->bucket_arrived, f->buckets);
    write_ints(out, "completed", f->bucket_completed, f->buckets);
    write_ints(out, "payments_calls", f->bucket_calls, f->buckets);
    write_doubles(out, "payments_requests", f->bucket_requests, f->buckets);
    write_doubles(out, "p50_ms", f->bucket_p50_ms, f->buckets);
    write_doubles(out, "p99_ms", f->bucket_p99_ms, f->buckets);
    write_changes(out, f);
    fprintf(out, "\n  },\n");
}

static void write_plan(FILE *out, const struct settings *settings, const struct plan *plan) {
    fprintf(out, "{\n  \"seed\": %llu, \"policies\": %s, \"deadline_ms\": %d, \"open_wait_ms\": %d,\n",
            (unsigned long long)settings->seed, settings->policies ? "true" : "false",
            (int)(CHECKOUT_DEADLINE_NS / HF_MILLISECOND), OPEN_WAIT_MS);
    fprintf(out, "  \"plan\": [");
    for (int p = 0; p < PHASES; p++) {
        const struct phase *phase = &plan->phase[p];
        fprintf(out,
                "%s\n    {\"name\": \"%s\", \"start_s\": %.2f, \"seconds\": %.2f, \"rate\": %.1f, \"capacity\": %.2f}",
                p == 0 ? "" : ",", phase->name, phase->start_s, phase->seconds, phase->rate, phase->capacity);
    }
    fprintf(out, "\n  ],\n");
}

static void write_bars(FILE *out, const struct bar *bars, int count) {
    fprintf(out, "  \"bars\": [");
    for (int i = 0; i < count; i++) {
        const struct bar *bar = &bars[i];
        fprintf(out, "%s\n    {\"name\": \"%s\", \"figure\": %.3f, \"%s\": %.3f, \"unit\": \"%s\", \"pass\": %s}",
                i == 0 ? "" : ",", bar->name, bar->figure, bar->at_least ? "at_least" : "at_most", bar->limit,
                bar->unit, bar->pass ? "true" : "false");
    }
    fprintf(out, "\n  ]\n}\n");
}

void json_write(FILE *out, const struct outcome *o) {
    write_plan(out, o->settings, o->plan);
    write_figures(out, "naive", o->plan, o->naive);
    write_figures(out, "holdfast", o->plan, o->holdfast);
    write_bars(out, o->bars, o->bar_count);
}
