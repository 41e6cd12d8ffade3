/* SPDX-License-Identifier: MIT */
#include "call/trace.h"

#include "fuzz.h"

#include <inttypes.h>
#include <stdbool.h>

#define LONGEST (1 << 18)

static struct {
    int64_t value[LONGEST];
    size_t length; /* of the first run */
    size_t at;
    bool comparing, printing;
} trace;

void trace_start(int again) {
    if (again) trace.length = trace.at;
    trace.at = 0;
    trace.comparing = again != 0;
    trace.printing = !again && getenv("HF_FUZZ_TRACE") != NULL;
}

void trace_note(const char *what, int64_t value) {
    if (trace.printing) fprintf(stderr, "  %zu %s %" PRId64 "\n", trace.at, what, value);
    if (trace.at >= LONGEST) return; /* the rest goes unseen: inputs are short enough for this never to be */
    if (!trace.comparing) {
        trace.value[trace.at++] = value;
        return;
    }
    if (trace.at < trace.length && trace.value[trace.at] == value) {
        trace.at++;
        return;
    }
    fprintf(stderr, "the second run differs at %zu: %s is %" PRId64, trace.at, what, value);
    if (trace.at < trace.length) fprintf(stderr, ", was %" PRId64, trace.value[trace.at]);
    fprintf(stderr, "\n");
    abort();
}

void trace_finish(void) { FUZZ_MUST(trace.at == trace.length); }
