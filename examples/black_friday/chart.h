/* SPDX-License-Identifier: MIT */
#ifndef BLACK_FRIDAY_CHART_H
#define BLACK_FRIDAY_CHART_H

/* The picture of the report as SVG: panels one above the other over the same time axis. Colours come from the style
 * sheet of chart_style, which knows light and dark. */

#include "demo.h"

enum chart_kind {
    CHART_WIDE,   /* for a page on a desk */
    CHART_NARROW, /* for one in a hand: fewer and larger words */
    CHART_ALONE   /* wide, a file of its own with background and style */
};

void chart_write(FILE *out, const struct outcome *o, enum chart_kind kind);

/* The rules that a page needs for what chart_write draws, variables for the colours included. */
void chart_style(FILE *out);

/* ---- for panels.c ---- */

struct canvas {
    FILE *out;
    const struct outcome *o;
    bool narrow;
    double width, left, right; /* the time axis goes from left to right */
};

/* A stretch of the canvas with a value axis. */
struct panel {
    double top, height;
    double low, high; /* values at the bottom and the top */
    bool logarithmic;
};

double canvas_x(const struct canvas *c, double seconds);
double panel_y(const struct panel *p, double value);

/* A title over a panel, and a line that says what exactly is drawn. */
void canvas_title(const struct canvas *c, const struct panel *p, const char *title, const char *note);

/* A line across at `value` with a label on the axis. */
void canvas_tick(const struct canvas *c, const struct panel *p, double value, const char *label);

/* Steps `step_s` long; NAN leaves a gap. With `filled` the area below is tinted. */
void canvas_steps(const struct canvas *c, const struct panel *p, const char *colour, const double *values, int count,
                  double step_s, bool filled);

/* A line through the middle of each step. */
void canvas_line(const struct canvas *c, const struct panel *p, const char *colour, const double *values, int count,
                 double step_s);

/* Draws all panels from `top` on, or only measures; returns the bottom of the last one. */
double panels_draw(const struct canvas *c, double top, bool measure);

#endif
