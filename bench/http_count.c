/* SPDX-License-Identifier: MIT */
#include "http_bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Two runs of different length: what their difference leaves over is a request's alone, without start and end. */
#define FEW 256
#define MANY 1280

/* What callgrind collected in a run of `requests` requests; negative when it failed. */
static double collect(const char *program, enum form form, const char *url, int requests) {
    char command[600], line[256];
    double collected = -1;
    snprintf(command, sizeof command,
             "valgrind --tool=callgrind --callgrind-out-file=/dev/null '%s' --run %d %d '%s' 2>&1", program, (int)form,
             requests, url);
    FILE *out = popen(command, "r");
    if (out == NULL) return -1;
    while (fgets(line, sizeof line, out) != NULL) {
        const char *at = strstr(line, "Collected :");
        if (at != NULL) collected = strtod(at + 11, NULL);
    }
    return pclose(out) == 0 ? collected : -1;
}

double bench_form_instructions(const char *program, enum form form, const char *url) {
    double few = collect(program, form, url, FEW), many = collect(program, form, url, MANY);
    return few < 0 || many < 0 ? -1 : (many - few) / (MANY - FEW);
}
