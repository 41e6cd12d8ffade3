/* SPDX-License-Identifier: MIT */
/* The five panels of the picture. */
#include "chart.h"

#include <holdfast/breaker.h>

#include <math.h>
#include <stdio.h>

/* ---- orders completed ---- */

static void success(const struct figures *f, double *values) {
    for (int b = 0; b < f->buckets; b++) {
        values[b] = f->bucket_arrived[b] > 0 ? 100.0 * f->bucket_completed[b] / f->bucket_arrived[b] : NAN;
    }
}

/* What payments can take, phase by phase; `share` of what arrives, else per second. */
static void draw_capacity(const struct canvas *c, const struct panel *p, bool share) {
    fprintf(c->out, "<path class=\"cap\" d=\"");
    for (int i = 0; i < PHASES; i++) {
        const struct phase *phase = &c->o->plan->phase[i];
        double capacity = i == PAYMENTS_DEAD ? 0 : phase->capacity;
        double value = share ? fmin(100, 100 * capacity * phase->seconds / fmax(phase->arrived, 1)) : capacity;
        fprintf(c->out, "%c%.1f %.1fH%.1f", i == 0 ? 'M' : 'L', canvas_x(c, phase->start_s), panel_y(p, value),
                canvas_x(c, phase->start_s + phase->seconds));
    }
    fprintf(c->out, "\"/>\n");
}

static void draw_success(const struct canvas *c, struct panel p) {
    double values[MAX_BUCKETS];
    p.high = 100;
    canvas_title(c, &p, "Orders completed",
                 c->narrow ? "% of arrivals; dashed: what payments could take"
                           : "% of those that arrived, each half second; dashed: what payments could take");
    canvas_tick(c, &p, 0, "0 %");
    canvas_tick(c, &p, 50, "50 %");
    canvas_tick(c, &p, 100, "100 %");
    if (c->o->naive->played) {
        success(c->o->naive, values);
        canvas_steps(c, &p, "naive", values, c->o->naive->buckets, BUCKET_S, true);
    }
    success(c->o->holdfast, values);
    canvas_steps(c, &p, "hold", values, c->o->holdfast->buckets, BUCKET_S, true);
    draw_capacity(c, &p, true);
}

/* ---- latency ---- */

static void draw_latency(const struct canvas *c, struct panel p) {
    p.low = 1;
    p.high = 6000;
    p.logarithmic = true;
    canvas_title(c, &p, "Latency",
                 c->narrow ? "log scale; solid p50, dashed p99; 3 s: deadline"
                           : "of all orders, lost ones too; log scale; solid p50, dashed p99; 3 s: the deadline");
    canvas_tick(c, &p, 1, "1 ms");
    canvas_tick(c, &p, 10, "10 ms");
    canvas_tick(c, &p, 100, "100 ms");
    canvas_tick(c, &p, 1000, "1 s");
    double deadline = panel_y(&p, CHECKOUT_DEADLINE_NS / 1e6);
    fprintf(c->out, "<path class=\"cap\" d=\"M%.0f %.1fH%.0f\"/><text class=\"e b\" x=\"%.0f\" y=\"%.1f\">3 s</text>\n",
            c->left, deadline, c->right, c->left - 6, deadline + 2);
    if (c->o->naive->played) {
        canvas_line(c, &p, "naive dash thin", c->o->naive->bucket_p99_ms, c->o->naive->buckets, BUCKET_S);
        canvas_line(c, &p, "naive", c->o->naive->bucket_p50_ms, c->o->naive->buckets, BUCKET_S);
    }
    canvas_line(c, &p, "hold dash thin", c->o->holdfast->bucket_p99_ms, c->o->holdfast->buckets, BUCKET_S);
    canvas_line(c, &p, "hold", c->o->holdfast->bucket_p50_ms, c->o->holdfast->buckets, BUCKET_S);
}

/* ---- load ---- */

static void load(const struct figures *f, double *values) {
    for (int b = 0; b < f->buckets; b++) values[b] = f->bucket_requests[b] / BUCKET_S;
}

static double highest(const double *values, int count, double at_least) {
    for (int i = 0; i < count; i++) at_least = fmax(at_least, isnan(values[i]) ? 0 : values[i]);
    return at_least;
}

/* Ticks from 0 at 1, 2 or 5 times a power of ten, five at most; p->high is set to fit. */
static void draw_linear_axis(const struct canvas *c, struct panel *p, double highest_value, const char *unit) {
    static const double next[] = {2, 2.5, 2}; /* 1, 2, 5, 10 */
    double step = pow(10, floor(log10(highest_value / 10)));
    for (int i = 0; highest_value / step > 5; i++) step *= next[i % 3];
    p->high = fmax(highest_value * 1.04, step * floor(highest_value / step));
    for (int i = 0; i * step <= p->high; i++) {
        char label[32];
        snprintf(label, sizeof label, "%.0f%s", i * step, unit);
        canvas_tick(c, p, i * step, label);
    }
}

static void draw_load(const struct canvas *c, struct panel p) {
    double naive[MAX_BUCKETS] = {0}, holdfast[MAX_BUCKETS] = {0}, top = 125;
    load(c->o->naive, naive);
    load(c->o->holdfast, holdfast);
    top = highest(holdfast, c->o->holdfast->buckets, highest(naive, c->o->naive->buckets, top));
    canvas_title(c, &p, "Requests at payments",
                 c->narrow ? "as the server counts; dashed: what it can take"
                           : "per second, as the server counts them; dashed: what it can take");
    draw_linear_axis(c, &p, top, "/s");
    if (c->o->naive->played) canvas_steps(c, &p, "naive", naive, c->o->naive->buckets, BUCKET_S, true);
    canvas_steps(c, &p, "hold", holdfast, c->o->holdfast->buckets, BUCKET_S, true);
    draw_capacity(c, &p, false);
}

/* ---- attempts per call ---- */

#define RATIO_BUCKETS 2 /* a second: a call and its request may fall into different halves */

/* What is left of a second at the end counts to the one before, and is drawn like it. */
static int ratios(const struct figures *f, double *values) {
    int count = f->buckets / RATIO_BUCKETS;
    for (int i = 0; i < count; i++) {
        int end = i + 1 == count ? f->buckets : (i + 1) * RATIO_BUCKETS;
        double requests = 0, calls = 0;
        for (int b = i * RATIO_BUCKETS; b < end; b++) {
            requests += f->bucket_requests[b];
            calls += f->bucket_calls[b];
        }
        values[i] = values[i + 1] = calls > 0 ? requests / calls : NAN;
    }
    return count + (f->buckets % RATIO_BUCKETS > 0);
}

static void draw_ratios(const struct canvas *c, struct panel p) {
    double naive[MAX_BUCKETS] = {0}, holdfast[MAX_BUCKETS] = {0};
    int naive_count = ratios(c->o->naive, naive), count = ratios(c->o->holdfast, holdfast);
    canvas_title(c, &p, "Attempts per call",
                 c->narrow ? "requests seen / calls begun; a gap: no calls"
                           : "requests that payments saw / calls begun, each second (so a retry counts when it comes); "
                             "a gap: no calls");
    draw_linear_axis(c, &p, highest(holdfast, count, highest(naive, naive_count, 4)), "");
    if (c->o->naive->played) canvas_steps(c, &p, "naive", naive, naive_count, RATIO_BUCKETS * BUCKET_S, true);
    canvas_steps(c, &p, "hold", holdfast, count, RATIO_BUCKETS * BUCKET_S, true);
}

/* ---- breakers ---- */

#define ROW 24
#define THINNEST 2.5 /* px: a state that lasted for milliseconds is still seen */

static void draw_state(const struct canvas *c, double y, int32_t state, double from_s, double to_s) {
    double x = canvas_x(c, fmax(from_s, 0)),
           width = fmax(canvas_x(c, to_s) - x, state == HF_BREAKER_CLOSED ? 0 : THINNEST);
    const char *fill = state == HF_BREAKER_OPEN ? "so" : state == HF_BREAKER_CLOSED ? "sc" : "sh";
    fprintf(c->out, "<rect class=\"%s\" x=\"%.1f\" y=\"%.0f\" width=\"%.1f\" height=\"%d\"/>\n", fill, x, y, width,
            ROW - 6);
    const char *name = hf_breaker_state_name(state);
    if (width < 46 || state == HF_BREAKER_HALF_OPEN) return;
    fprintf(c->out, "<text class=\"q m %s\" x=\"%.1f\" y=\"%.0f\">%s</text>\n", state == HF_BREAKER_OPEN ? "to" : "ti",
            x + width / 2, y + 13, name);
}

/* Half-open last, so that it lies on top: it is short. */
static void draw_breaker(const struct canvas *c, double y, enum breaker_id breaker) {
    const struct figures *f = c->o->holdfast;
    for (int half_open = 0; half_open < 2; half_open++) {
        int32_t state = HF_BREAKER_CLOSED;
        double from_s = 0;
        for (int i = 0; i <= f->changes; i++) {
            bool end = i == f->changes;
            if (!end && (f->change[i].breaker != breaker || f->change[i].at_s > c->o->plan->seconds)) continue;
            double to_s = end ? c->o->plan->seconds : f->change[i].at_s;
            bool solid = state == HF_BREAKER_OPEN || state == HF_BREAKER_CLOSED;
            if (solid != (half_open == 1)) draw_state(c, y, state, from_s, to_s);
            if (end) break;
            state = f->change[i].to;
            from_s = to_s;
        }
    }
}

static void draw_breakers(const struct canvas *c, struct panel p) {
    static const char *const names[BREAKERS] = {"inventory", "payments", "recommendations"};
    static const char *const initials[BREAKERS] = {"inv.", "pay.", "rec."};
    canvas_title(c, &p, "Breakers of holdfast",
                 c->narrow ? "yellow: half-open, which lets probes through"
                           : "yellow: half-open, the probes of a dependency that may be back");
    for (int i = 0; i < BREAKERS; i++) {
        double y = p.top + i * ROW;
        draw_breaker(c, y, (enum breaker_id)i);
        const char *name = c->narrow ? initials[i] : i == RECOMMENDATIONS_BREAKER ? "recomm." : names[i];
        fprintf(c->out, "<text class=\"e\" x=\"%.0f\" y=\"%.0f\">%s</text>\n", c->left - 6, y + 13, name);
    }
}

/* ---- all of them ---- */

static const struct {
    void (*draw)(const struct canvas *c, struct panel p);
    double height;
} panels[] = {{draw_success, 150}, {draw_latency, 170}, {draw_load, 130}, {draw_ratios, 110}, {draw_breakers, 3 * ROW}};

double panels_draw(const struct canvas *c, double top, bool measure) {
    double gap = c->narrow ? 58 : 46; /* for a title */
    for (size_t i = 0; i < sizeof panels / sizeof panels[0]; i++) {
        top += gap;
        if (!measure) panels[i].draw(c, (struct panel){.top = top, .height = panels[i].height});
        top += panels[i].height;
    }
    return top;
}
