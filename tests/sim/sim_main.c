/* SPDX-License-Identifier: MIT */
/* make sim: runs the experiments and writes what docs/overload.md shows: tables to standard output, named by lines that begin with
 * "#", and charts into a directory.
 *   usage: sim IMAGE_DIRECTORY */
#include "sim/contention.h"
#include "sim/metastable.h"
#include "sim/svg.h"

#include <string.h>

#define SIZES 10
#define RUNS 30

static int write_chart(const char *directory, const char *name, const struct svg_chart *chart) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    if (svg_write(path, chart) == 0) return 0;
    perror(path);
    return 1;
}

static int contention(const char *directory) {
    static double x[SIZES], writes[CONTENTION_BACKOFFS][SIZES], seconds[CONTENTION_BACKOFFS][SIZES];
    for (int i = 0; i < SIZES; i++) {
        x[i] = 10 + 20 * i;
        for (int b = 0; b < CONTENTION_BACKOFFS; b++) {
            struct contention_outcome out = contention_run((enum contention_backoff)b, (uint32_t)x[i], RUNS);
            writes[b][i] = out.writes;
            seconds[b][i] = out.seconds;
        }
    }
    printf("# contention\n| Clients |");
    for (int b = 0; b < CONTENTION_BACKOFFS; b++) printf(" %s |", contention_names[b]);
    printf("\n|---|");
    for (int b = 0; b < CONTENTION_BACKOFFS; b++) printf("---|");
    for (int i = 0; i < SIZES; i++) {
        printf("\n| %g |", x[i]);
        for (int b = 0; b < CONTENTION_BACKOFFS; b++) printf(" %.0f in %.1f s |", writes[b][i], seconds[b][i]);
    }
    printf("\n");
    struct svg_chart chart = {.title = "Writes until every client has succeeded",
                              .x_title = "clients that contend for one row",
                              .y_title = "writes",
                              .x = x,
                              .count = SIZES,
                              .series_count = CONTENTION_BACKOFFS};
    for (int b = 0; b < CONTENTION_BACKOFFS; b++) {
        chart.series[b].name = contention_names[b];
        chart.series[b].y = writes[b];
    }
    int bad = write_chart(directory, "contention_writes.svg", &chart);
    chart.title = "Time until every client has succeeded";
    chart.y_title = "seconds";
    for (int b = 0; b < CONTENTION_BACKOFFS; b++) chart.series[b].y = seconds[b];
    return bad | write_chart(directory, "contention_time.svg", &chart);
}

static int metastable(const char *directory) {
    static struct metastable_outcome out[METASTABLE_KINDS];
    static double x[METASTABLE_SECONDS];
    for (int i = 0; i < METASTABLE_SECONDS; i++) x[i] = i;
    printf("# metastable\n| Clients | load, worst 10 s | load, in the end | recovered after | calls lost "
           "|\n|---|---|---|---|---|\n");
    for (int k = 0; k < METASTABLE_KINDS; k++) {
        out[k] = metastable_run((enum metastable_clients)k, 1);
        char recovered[32] = "never";
        if (out[k].recovered_after >= 0) snprintf(recovered, sizeof recovered, "%.0f s", out[k].recovered_after);
        printf("| %s | %.2f x | %.2f x | %s | %.1f %% |\n", metastable_names[k], out[k].worst_amplification,
               out[k].late_amplification, recovered, 100 * out[k].lost);
    }
    struct svg_chart chart = {.title = "Calls that succeed, of 800 a second",
                              .x_title = "seconds",
                              .y_title = "calls a second",
                              .x = x,
                              .count = 120,
                              .y_max = 1200,
                              .band_from = METASTABLE_DIP_FROM,
                              .band_to = METASTABLE_DIP_TO,
                              .band_name = "half capacity",
                              .series_count = METASTABLE_KINDS};
    for (int k = 0; k < METASTABLE_KINDS; k++) {
        chart.series[k].name = metastable_names[k];
        chart.series[k].y = out[k].good;
    }
    int bad = write_chart(directory, "metastable_good.svg", &chart);
    chart.title = "Attempts that reach the server, for 800 calls a second";
    chart.y_title = "attempts a second";
    chart.y_max = 0;
    for (int k = 0; k < METASTABLE_KINDS; k++) chart.series[k].y = out[k].load;
    return bad | write_chart(directory, "metastable_load.svg", &chart);
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: %s IMAGE_DIRECTORY\n", argv[0]);
        return 2;
    }
    return contention(argv[1]) | metastable(argv[1]);
}
