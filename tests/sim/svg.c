/* SPDX-License-Identifier: MIT */
#include "sim/svg.h"

#include <math.h>

#define WIDTH 760
#define HEIGHT 380
#define LEFT 70
#define RIGHT 170 /* room for the legend */
#define TOP 40
#define BOTTOM 50

static const char style[] =
    "<style>\n"
    "text{font:13px system-ui,sans-serif;fill:#333}.t{font-size:15px;font-weight:600}.g{stroke:#ddd}.b{fill:#8883}\n"
    "polyline{fill:none;stroke-width:2.2}line{stroke-width:1}.k{stroke-width:2.2}\n"
    ".s0{stroke:#0b62c4}.s1{stroke:#c43b0b}.s2{stroke:#1a7f37}.s3{stroke:#8250df}.s4{stroke:#9a6700}.s5{stroke:#bf3989}"
    ".s6{stroke:#57606a}.s7{stroke:#0a7a86}\n"
    "@media(prefers-color-scheme:dark){text{fill:#ddd}.g{stroke:#444}\n"
    ".s0{stroke:#6cb0ff}.s1{stroke:#ff8b5e}.s2{stroke:#56d364}.s3{stroke:#d2a8ff}.s4{stroke:#e3b341}.s5{stroke:#ff9bce}"
    ".s6{stroke:#b1bac4}.s7{stroke:#66d9e8}}\n"
    "</style>\n";

static const char *const dashes[SVG_SERIES_MAX] = {"none", "7 3", "2 3", "10 3 2 3", "4 4", "12 4", "none", "6 2 2 2"};

/* The next 1, 2 or 5 times a power of ten that cuts `span` into at most seven. */
static double tick_of(double span) {
    double power = pow(10, floor(log10(span / 7)));
    double rest = span / 7 / power;
    return power * (rest <= 1 ? 1 : rest <= 2 ? 2 : rest <= 5 ? 5 : 10);
}

struct frame {
    double x_min, x_max, y_max;
};

static double px(const struct frame *f, double x) {
    return LEFT + (x - f->x_min) / (f->x_max - f->x_min) * (WIDTH - LEFT - RIGHT);
}

static double py(const struct frame *f, double y) {
    double cut = y > f->y_max ? f->y_max : y;
    return HEIGHT - BOTTOM - cut / f->y_max * (HEIGHT - TOP - BOTTOM);
}

static struct frame frame_of(const struct svg_chart *chart) {
    struct frame f = {chart->x[0], chart->x[chart->count - 1], chart->y_max};
    for (size_t s = 0; chart->y_max <= 0 && s < chart->series_count; s++) {
        for (size_t i = 0; i < chart->count; i++) {
            if (chart->series[s].y[i] > f.y_max) f.y_max = chart->series[s].y[i];
        }
    }
    double tick = tick_of(f.y_max);
    f.y_max = ceil(f.y_max / tick) * tick;
    return f;
}

static void draw_axes(FILE *out, const struct svg_chart *chart, const struct frame *f) {
    double tick = tick_of(f->y_max);
    for (double y = 0; y <= f->y_max * 1.0001; y += tick) {
        fprintf(out, "<line class=\"g\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>", LEFT, WIDTH - RIGHT, py(f, y),
                py(f, y));
        fprintf(out, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%g</text>\n", LEFT - 8, py(f, y) + 4, y);
    }
    tick = tick_of(f->x_max - f->x_min);
    for (double x = ceil(f->x_min / tick) * tick; x <= f->x_max * 1.0001; x += tick) {
        fprintf(out, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%g</text>\n", px(f, x), HEIGHT - BOTTOM + 18, x);
    }
    fprintf(out, "<text class=\"t\" x=\"%d\" y=\"24\">%s</text>\n", LEFT, chart->title);
    fprintf(out, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">%s</text>\n", (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12,
            chart->x_title);
    fprintf(out, "<text transform=\"translate(18 %d) rotate(-90)\" text-anchor=\"middle\">%s</text>\n",
            (TOP + HEIGHT - BOTTOM) / 2, chart->y_title);
}

static void draw_series(FILE *out, const struct svg_chart *chart, const struct frame *f, size_t s) {
    fprintf(out, "<polyline class=\"s%zu\" stroke-dasharray=\"%s\" points=\"", s, dashes[s]);
    for (size_t i = 0; i < chart->count; i++) {
        if (chart->series[s].y[i] >= 0) fprintf(out, "%.1f,%.1f ", px(f, chart->x[i]), py(f, chart->series[s].y[i]));
    }
    fprintf(out, "\"/>\n");
    int y = TOP + 14 + (int)s * 22;
    fprintf(out, "<line class=\"k s%zu\" stroke-dasharray=\"%s\" x1=\"%d\" x2=\"%d\" y1=\"%d\" y2=\"%d\"/>", s,
            dashes[s], WIDTH - RIGHT + 14, WIDTH - RIGHT + 48, y - 4, y - 4);
    fprintf(out, "<text x=\"%d\" y=\"%d\">%s</text>\n", WIDTH - RIGHT + 54, y, chart->series[s].name);
}

int svg_write(const char *path, const struct svg_chart *chart) {
    FILE *out = fopen(path, "w");
    if (out == NULL) return -1;
    struct frame f = frame_of(chart);
    fprintf(out, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"%s\">\n%s",
            WIDTH, HEIGHT, chart->title, style);
    if (chart->band_to > chart->band_from) {
        fprintf(out, "<rect class=\"b\" x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%d\"/>", px(&f, chart->band_from),
                TOP, px(&f, chart->band_to) - px(&f, chart->band_from), HEIGHT - TOP - BOTTOM);
        fprintf(out, "<text x=\"%.1f\" y=\"%d\">%s</text>\n", px(&f, chart->band_from) + 4, TOP + 14, chart->band_name);
    }
    draw_axes(out, chart, &f);
    for (size_t s = 0; s < chart->series_count; s++) draw_series(out, chart, &f, s);
    fprintf(out, "</svg>\n");
    return fclose(out) == 0 ? 0 : -1;
}
