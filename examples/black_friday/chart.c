/* SPDX-License-Identifier: MIT */
#include "chart.h"

#include <math.h>
#include <string.h>

/* The two series differ in hue and in lightness (Okabe and Ito 2008), and in the width of the line. */
static const char style[] =
    ":root{--ink:#1c2127;--soft:#5a6672;--bg:#fff;--card:#f5f7f9;--line:#d5dbe1;--grid:#e9edf0;--band:#f3f6f8;"
    "--dead:#fbeeee;--naive:#c9500a;--hold:#0a6db0;--closed:#bfe3d3;--closedink:#1d5c43;--open:#8d2f6b;--openink:#fff;"
    "--half:#f0b429;--good:#1b7f5a;--bad:#b3261e}\n"
    "@media(prefers-color-scheme:dark){:root{--ink:#e9edf1;--soft:#9fabb6;--bg:#13171b;--card:#1b2026;--line:#39424b;"
    "--grid:#262d34;--band:#181d22;--dead:#2b1b1f;--naive:#ff9b54;--hold:#62bdf5;--closed:#1f4a3b;--closedink:#a9dcc7;"
    "--open:#d77ab5;--openink:#1b0f17;--half:#ffd166;--good:#5fd0a2;--bad:#ff8a80}}\n"
    ".c text{font:12px system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',sans-serif;fill:var(--soft)}\n"
    ".c .t{font-size:14px;font-weight:600;fill:var(--ink)}.c .p{font-size:11px;font-weight:600;fill:var(--ink)}\n"
    ".c .q{font-size:11px}.c .e{text-anchor:end}.c .m{text-anchor:middle}.c .b{font-weight:600}\n"
    ".c .g{stroke:var(--grid)}.c .a{stroke:var(--line)}.c .v{stroke:var(--line);stroke-dasharray:2 3}\n"
    ".c .cap{stroke:var(--soft);stroke-width:1.5;stroke-dasharray:5 4;fill:none}\n"
    ".c .naive{stroke:var(--naive);stroke-width:1.6;fill:none}.c .hold{stroke:var(--hold);stroke-width:2.4;fill:none}\n"
    ".c .dash{stroke-dasharray:4 3}.c .thin{stroke-width:1.4}.c path{stroke-linejoin:round}\n"
    ".c .fnaive{fill:var(--naive);opacity:.10;stroke:none}.c .fhold{fill:var(--hold);opacity:.14;stroke:none}\n"
    ".c .band{fill:var(--band)}.c .dead{fill:var(--dead)}.c .tn,.c tspan.tn{fill:var(--naive);font-weight:600}\n"
    ".c .th{fill:var(--hold);font-weight:600}.c .sc{fill:var(--closed)}.c .so{fill:var(--open)}.c "
    ".sh{fill:var(--half)}\n"
    ".c .ti{fill:var(--closedink)}.c .to{fill:var(--openink);font-weight:600}.c .paper{fill:var(--bg)}\n";

void chart_style(FILE *out) { fputs(style, out); }

double canvas_x(const struct canvas *c, double seconds) {
    return c->left + (c->right - c->left) * fmin(seconds / c->o->plan->seconds, 1);
}

double panel_y(const struct panel *p, double value) {
    double share = p->logarithmic ? log(fmax(value, p->low) / p->low) / log(p->high / p->low)
                                  : (value - p->low) / (p->high - p->low);
    return p->top + p->height * (1 - fmin(fmax(share, 0), 1));
}

void canvas_title(const struct canvas *c, const struct panel *p, const char *title, const char *note) {
    double x = c->narrow ? 8 : c->left;
    if (c->narrow) {
        fprintf(c->out, "<text class=\"t\" x=\"%.0f\" y=\"%.0f\">%s</text>\n", x, p->top - 24, title);
        fprintf(c->out, "<text x=\"%.0f\" y=\"%.0f\">%s</text>\n", x, p->top - 9, note);
    } else {
        fprintf(c->out, "<text x=\"%.0f\" y=\"%.0f\"><tspan class=\"t\">%s</tspan><tspan dx=\"10\">%s</tspan></text>\n",
                x, p->top - 10, title, note);
    }
}

void canvas_tick(const struct canvas *c, const struct panel *p, double value, const char *label) {
    double y = panel_y(p, value);
    fprintf(c->out, "<path class=\"%s\" d=\"M%.0f %.1fH%.0f\"/><text class=\"e\" x=\"%.0f\" y=\"%.1f\">%s</text>\n",
            value == p->low ? "a" : "g", c->left, y, c->right, c->left - 6, y + 4, label);
}

/* One stretch of steps without a gap, from `from` to `to`. */
static void steps(const struct canvas *c, const struct panel *p, const double *values, int from, int to,
                  double step_s) {
    for (int i = from; i < to; i++) {
        fprintf(c->out, "%c%.1f %.1fH%.1f", i == from ? 'M' : 'L', canvas_x(c, i * step_s), panel_y(p, values[i]),
                canvas_x(c, (i + 1) * step_s));
    }
}

void canvas_steps(const struct canvas *c, const struct panel *p, const char *colour, const double *values, int count,
                  double step_s, bool filled) {
    double bottom = p->top + p->height;
    for (int from = 0, to; from < count; from = to + 1) {
        for (to = from; to < count && !isnan(values[to]); to++) {
        }
        if (to == from) continue;
        if (filled) {
            fprintf(c->out, "<path class=\"f%s\" d=\"", colour);
            steps(c, p, values, from, to, step_s);
            fprintf(c->out, "V%.1fH%.1fZ\"/>\n", bottom, canvas_x(c, from * step_s));
        }
        fprintf(c->out, "<path class=\"%s\" d=\"", colour);
        steps(c, p, values, from, to, step_s);
        fprintf(c->out, "\"/>\n");
    }
}

void canvas_line(const struct canvas *c, const struct panel *p, const char *colour, const double *values, int count,
                 double step_s) {
    bool open = false;
    fprintf(c->out, "<path class=\"%s\" d=\"", colour);
    for (int i = 0; i < count; i++) {
        if (isnan(values[i])) {
            open = false;
            continue;
        }
        double middle = fmin((i + 0.5) * step_s, c->o->plan->seconds);
        fprintf(c->out, "%c%.1f %.1f", open ? 'L' : 'M', canvas_x(c, middle), panel_y(p, values[i]));
        open = true;
    }
    fprintf(c->out, "\"/>\n");
}

/* ---- what all panels have in common ---- */

/* Two lines for each phase, its name and what happens; the narrow chart has numbers instead. */
static const struct label {
    const char *name[2], *what;
} labels[PHASES] = {
    [CALM] = {{"calm", ""}, "50 orders/s"},
    [SURGE] = {{"surge", ""}, "250 orders/s"},
    [BROWN_OUT] = {{"brown-out", ""}, "half capacity"},
    [INVENTORY_RESETS] = {{"inventory", "resets"}, "1 in 5 reset"},
    [RECOMMENDATIONS_HANG] = {{"recommen-", "dations hang"}, "no answers"},
    [PAYMENTS_DEAD] = {{"payments dead", ""}, "nothing answers"},
    [RECOVERY] = {{"recovery", ""}, "all well again"},
};

static void draw_phase_labels(const struct canvas *c, double top) {
    for (int p = 0; p < PHASES; p++) {
        const struct phase *phase = &c->o->plan->phase[p];
        double x = canvas_x(c, phase->start_s + phase->seconds / 2), y = top;
        if (c->narrow) {
            fprintf(c->out, "<text class=\"p m\" x=\"%.1f\" y=\"%.0f\">%d</text>\n", x, y + 12, p + 1);
            continue;
        }
        for (int i = 0; i < 2 && labels[p].name[i][0]; i++) {
            fprintf(c->out, "<text class=\"p m\" x=\"%.1f\" y=\"%.0f\">%s</text>\n", x, y += 13, labels[p].name[i]);
        }
        fprintf(c->out, "<text class=\"q m\" x=\"%.1f\" y=\"%.0f\">%s</text>\n", x, y + 14, labels[p].what);
    }
}

/* Behind the panels: every second phase has a tint, the outage another one. */
static void draw_phase_bands(const struct canvas *c, double top, double bottom) {
    for (int p = 0; p < PHASES; p++) {
        const struct phase *phase = &c->o->plan->phase[p];
        double x = canvas_x(c, phase->start_s), end = canvas_x(c, phase->start_s + phase->seconds);
        if (p == PAYMENTS_DEAD || p % 2 == 1) {
            fprintf(c->out, "<rect class=\"%s\" x=\"%.1f\" y=\"%.0f\" width=\"%.1f\" height=\"%.0f\"/>\n",
                    p == PAYMENTS_DEAD ? "dead" : "band", x, top, end - x, bottom - top);
        }
        if (p > 0) fprintf(c->out, "<path class=\"v\" d=\"M%.1f %.0fV%.0f\"/>\n", x, top, bottom);
    }
}

static void draw_time_axis(const struct canvas *c, double y) {
    int step = c->narrow ? 5 : 2;
    for (int t = 0; t <= (int)c->o->plan->seconds; t += step) {
        double x = canvas_x(c, t);
        fprintf(c->out, "<path class=\"a\" d=\"M%.1f %.0fv5\"/><text class=\"m\" x=\"%.1f\" y=\"%.0f\">%d</text>\n", x,
                y, x, y + 18, t);
    }
    fprintf(c->out, "<text class=\"m\" x=\"%.0f\" y=\"%.0f\">seconds since the start</text>\n",
            (c->left + c->right) / 2, y + 36);
}

static void legend_entry(const struct canvas *c, double x, double y, const char *line, const char *text,
                         const char *name, const char *what) {
    fprintf(c->out,
            "<path class=\"%s\" d=\"M%.0f %.0fh24\"/><text x=\"%.0f\" y=\"%.0f\"><tspan class=\"%s\">%s</tspan>", line,
            x, y - 4, x + 30, y, text, name);
    fprintf(c->out, "<tspan dx=\"7\">%s</tspan></text>\n", what);
}

static void draw_legend(const struct canvas *c, double y) {
    double x = c->narrow ? 8 : c->left;
    if (c->o->naive->played) {
        legend_entry(c, x, y, "naive", "tn", "naive",
                     c->narrow ? "libcurl, three immediate retries"
                               : "plain libcurl, 1 s timeout, three immediate retries");
        if (c->narrow) y += 18;
        else x += 410;
    }
    const char *what =
        c->narrow ? "a pipeline for each service" : "the same requests, a pipeline of policies for each service";
    legend_entry(c, x, y, "hold", "th", "holdfast", c->o->settings->policies ? what : "with empty pipelines");
}

void chart_write(FILE *out, const struct outcome *o, enum chart_kind kind) {
    bool narrow = kind == CHART_NARROW;
    const struct canvas c = {.out = out,
                             .o = o,
                             .narrow = narrow,
                             .width = narrow ? 400 : 980,
                             .left = narrow ? 54 : 78,
                             .right = narrow ? 392 : 964};
    double legend = narrow && o->naive->played ? 42 : 24, labels_top = legend + 8,
           top = labels_top + (narrow ? 16 : 42);
    double bottom = panels_draw(&c, top, true), height = bottom + 44;
    fprintf(out,
            "<svg class=\"c\" xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\" role=\"img\" "
            "aria-label=\"Both runs over time: orders completed, latency, requests at payments, attempts per call, "
            "breaker states\">\n",
            c.width, height);
    if (kind == CHART_ALONE) {
        fprintf(out, "<style>\n%s</style>\n<rect class=\"paper\" width=\"%.0f\" height=\"%.0f\"/>\n", style, c.width,
                height);
    }
    draw_legend(&c, 20);
    draw_phase_bands(&c, labels_top, bottom);
    draw_phase_labels(&c, labels_top);
    panels_draw(&c, top, false);
    draw_time_axis(&c, bottom);
    fprintf(out, "</svg>\n");
}
