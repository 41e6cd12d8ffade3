/* SPDX-License-Identifier: MIT */
#ifndef HOLDFAST_TOP_PAGE_H
#define HOLDFAST_TOP_PAGE_H

/* What a region looks like at one instant, as text. */

#include <holdfast/region_view.h>

#include <stdio.h>

/* Writes the page; returns false when the region could not be read (its file was truncated). */
bool top_page(FILE *out, hf_region_view *view, const char *title, hf_time now);

#endif
