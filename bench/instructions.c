/* SPDX-License-Identifier: MIT */
#include "bench.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <valgrind/callgrind.h>

/* Instructions per iteration, by callgrind: repeatable to the last one, where times are not. The program
 * runs itself under callgrind once; marks in the run cut it into one dump for each series. Series with two
 * threads are left out: callgrind runs one thread at a time; so is the work that fills a given time. */
#define ITERATIONS 2000
#define GROWTH 1.05

int bench_run_for_callgrind(void) {
    bench_setup();
    for (int i = 0; i < BENCH_SERIES; i++) {
        if (bench_series[i].threads != 1 || bench_series[i].loop_is_timed) continue;
        bench_series[i].loop(200);
        CALLGRIND_ZERO_STATS;
        bench_series[i].loop(ITERATIONS);
        CALLGRIND_DUMP_STATS_AT(bench_series[i].name);
    }
    bench_teardown();
    return 0;
}

struct figure {
    char name[64];
    double instructions;
};

/* One dump: which mark made it, and its total. */
static bool read_dump(const char *path, struct figure *out) {
    FILE *file = fopen(path, "r");
    if (file == NULL) return false;
    char line[512];
    double total;
    out->name[0] = '\0';
    out->instructions = 0;
    while (fgets(line, sizeof line, file) != NULL) {
        (void)sscanf(line, "desc: Trigger: Client Request: %63s", out->name);
        if (sscanf(line, "totals: %lf", &total) == 1) out->instructions = total / ITERATIONS;
    }
    fclose(file);
    return out->name[0] != '\0';
}

static double kept_figure(const char *file_name, const char *name) {
    FILE *file = fopen(file_name, "r");
    if (file == NULL) return 0;
    char line[256], found[64];
    double figure, kept = 0;
    while (fgets(line, sizeof line, file) != NULL) {
        if (sscanf(line, "%63s %lf", found, &figure) == 2 && strcmp(found, name) == 0) kept = figure;
    }
    fclose(file);
    return kept;
}

static int compare(glob_t *dumps, const char *kept_file, bool keep) {
    int grown = 0;
    char new_file[512];
    snprintf(new_file, sizeof new_file, "%s.new", kept_file); /* the old one is read meanwhile */
    FILE *out = keep ? fopen(new_file, "w") : NULL;
    if (keep && out == NULL) {
        perror(new_file);
        exit(2);
    }
    if (out != NULL) fprintf(out, "# Instructions per iteration: series, figure. Written by `make bench-keep`.\n");
    printf("\n%-24s %12s %12s\n", "instructions per call", "now", "kept");
    for (int i = 0; i < BENCH_SERIES; i++) {
        for (size_t d = 0; d < dumps->gl_pathc; d++) {
            struct figure found;
            if (!read_dump(dumps->gl_pathv[d], &found) || strcmp(found.name, bench_series[i].name) != 0) continue;
            double kept = kept_figure(kept_file, found.name);
            bool grew = kept > 0 && found.instructions > kept * GROWTH;
            grown += grew;
            if (out != NULL) fprintf(out, "%-24s %.0f\n", found.name, found.instructions);
            printf("%-24s %12.0f %12.0f%s\n", found.name, found.instructions, kept,
                   kept == 0 ? "  new"
                   : grew    ? "  WARNING: grew by more than 5 %"
                             : "");
        }
    }
    if (out != NULL && (fclose(out) != 0 || rename(new_file, kept_file) != 0)) {
        perror(kept_file);
        exit(2);
    }
    return grown;
}

int bench_instructions(const char *program, const char *file, bool keep) {
    if (system("command -v valgrind >/dev/null 2>&1") != 0) return -1;
    char directory[] = "/tmp/holdfast-bench-XXXXXX", command[512], pattern[128];
    if (mkdtemp(directory) == NULL) exit(2);
    snprintf(command, sizeof command,
             "valgrind --tool=callgrind --callgrind-out-file=%s/dump '%s' --for-callgrind >%s/log 2>&1", directory,
             program, directory);
    if (system(command) != 0) {
        fprintf(stderr, "bench: callgrind failed, see %s/log\n", directory);
        exit(2);
    }
    snprintf(pattern, sizeof pattern, "%s/dump*", directory);
    glob_t dumps;
    if (glob(pattern, 0, NULL, &dumps) != 0) exit(2);
    int grown = compare(&dumps, file, keep);
    globfree(&dumps);
    snprintf(command, sizeof command, "rm -r %s", directory);
    return system(command) == 0 ? grown : -1;
}
