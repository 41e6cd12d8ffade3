/* SPDX-License-Identifier: MIT */
#include <holdfast/stats.h>

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

/* The text format, version 0.0.4 (prometheus.io/docs/instrumenting/exposition_formats): all samples of a family
 * stand together below its HELP and TYPE, so every family goes over all pipelines. */
struct page {
    char *out;
    size_t size;
    size_t length; /* of the whole text, what does not fit included */
};

__attribute__((format(printf, 2, 3))) static void put(struct page *page, const char *format, ...) {
    size_t left = page->length < page->size ? page->size - page->length : 0;
    va_list arguments;
    va_start(arguments, format);
    int wrote = vsnprintf(left > 0 ? page->out + page->length : NULL, left, format, arguments);
    va_end(arguments);
    if (wrote > 0) page->length += (size_t)wrote;
}

/* Names are printable ASCII; a quote and a backslash are escaped in a label. */
static void put_label(struct page *page, const char *label, const char *value) {
    put(page, "%s=\"", label);
    for (; *value != '\0'; value++) put(page, *value == '"' || *value == '\\' ? "\\%c" : "%c", *value);
    put(page, "\"");
}

static void put_name(struct page *page, const char *family, const hf_pipeline *pipeline) {
    put(page, "%s{", family);
    put_label(page, "pipeline", hf_pipeline_name(pipeline));
}

static void put_value(struct page *page, uint64_t value) { put(page, "} %" PRIu64 "\n", value); }

static void put_head(struct page *page, const char *family, const char *help) {
    put(page, "# HELP %s %s\n# TYPE %s counter\n", family, help, family);
}

typedef void put_samples(struct page *page, const hf_pipeline *pipeline, const hf_pipeline_stats *stats);

static void put_calls(struct page *page, const hf_pipeline *pipeline, const hf_pipeline_stats *s) {
    const struct {
        const char *result;
        uint64_t count;
    } rows[] = {{"success", s->successes - s->late}, {"late", s->late},
                {"fallback", s->fallbacks},          {"failed", s->failed},
                {"rejected", s->rejected},           {"timeout", s->timed_out},
                {"cancelled", s->cancelled}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        put_name(page, "holdfast_calls_total", pipeline);
        put(page, ",result=\"%s\"", rows[i].result);
        put_value(page, rows[i].count);
    }
}

static void put_attempts(struct page *page, const hf_pipeline *pipeline, const hf_pipeline_stats *s) {
    put_name(page, "holdfast_attempts_total", pipeline);
    put_value(page, s->attempts);
}

static void put_further(struct page *page, const hf_pipeline *pipeline, const hf_pipeline_stats *s) {
    put_name(page, "holdfast_further_attempts_total", pipeline);
    put_value(page, s->further_attempts);
}

static void put_denied(struct page *page, const hf_pipeline *pipeline, const hf_pipeline_stats *s) {
    put_name(page, "holdfast_budget_denied_total", pipeline);
    put_value(page, s->budget_denied);
}

static void put_reasons(struct page *page, const hf_pipeline *pipeline, const hf_pipeline_stats *s) {
    for (int i = 0; i < HF_STATS_REASONS; i++) {
        if (s->by_reason[i] == 0) continue;
        put_name(page, "holdfast_ended_total", pipeline);
        put(page, ",");
        put_label(page, "reason", hf_reason_text((hf_reason)i));
        put_value(page, s->by_reason[i]);
    }
}

static void put_policies(struct page *page, const hf_pipeline *pipeline, const hf_pipeline_stats *s) {
    for (uint32_t i = 0; i < s->policies; i++) {
        put_name(page, "holdfast_ended_by_policy_total", pipeline);
        put(page, ",");
        put_label(page, "policy", hf_pipeline_policy_name(pipeline, i));
        put(page, ",kind=\"%s\"", hf_pipeline_policy_kind(pipeline, i));
        put_value(page, s->by_policy[i]);
    }
}

size_t hf_prometheus_write(char *out, size_t size, hf_pipeline *const *pipelines, size_t count) {
    static const struct {
        const char *family, *help;
        put_samples *samples;
    } families[] = {
        {"holdfast_calls_total", "Protected calls that ended, by what the caller got.", put_calls},
        {"holdfast_attempts_total", "Attempts that were started.", put_attempts},
        {"holdfast_further_attempts_total", "Of these, retries and hedges.", put_further},
        {"holdfast_budget_denied_total", "Calls whose retry or hedge the budget denied.", put_denied},
        {"holdfast_ended_total", "Calls without the operation's value, by reason.", put_reasons},
        {"holdfast_ended_by_policy_total", "Calls without the operation's value, by the policy that ended them.",
         put_policies},
    };
    struct page page = {out, size, 0};
    if (size > 0) out[0] = '\0';
    for (size_t f = 0; f < sizeof families / sizeof families[0]; f++) {
        put_head(&page, families[f].family, families[f].help);
        for (size_t i = 0; i < count; i++) {
            hf_pipeline_stats stats = {.struct_size = (uint32_t)sizeof stats};
            (void)hf_pipeline_stats_read(pipelines[i], &stats);
            families[f].samples(&page, pipelines[i], &stats);
        }
    }
    return page.length;
}
