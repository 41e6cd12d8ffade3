/* SPDX-License-Identifier: MIT */
#ifndef HF_TESTS_SIM_SVG_H
#define HF_TESTS_SIM_SVG_H

/* Line charts as SVG files of a few kilobytes that read well on light and on dark paper: colours come from a style
 * sheet inside, which asks what the reader prefers; lines differ in their dashes too. */

#include <stddef.h>
#include <stdio.h>

#define SVG_SERIES_MAX 8

struct svg_series {
    const char *name;
    const double *y; /* `count` of the chart; a negative value is left out */
};

struct svg_chart {
    const char *title, *x_title, *y_title;
    const double *x;
    size_t count;
    double y_max;              /* what is above is cut; 0: the largest value */
    double band_from, band_to; /* on the x axis, shaded; equal: none */
    const char *band_name;
    struct svg_series series[SVG_SERIES_MAX];
    size_t series_count;
};

/* Writes the chart. Returns 0, or -1 when the file cannot be written. */
int svg_write(const char *path, const struct svg_chart *chart);

#endif
