/* SPDX-License-Identifier: MIT */
#include "holdfast_top/top_page.h"

#include <string.h>

#define PROCESSES_SHOWN 20

struct page {
    FILE *out;
    hf_region_view *view;
    hf_time now;
};

/* Fills `line` with what stands at `index`, or says that it makes no sense. */
typedef void line_writer(struct page *page, uint32_t index, const char *name);

/* ---- words ---- */

static const char *duration(char *text, size_t size, int64_t ns) {
    double s = (double)ns / (double)HF_SECOND;
    if (ns == HF_NEVER) snprintf(text, size, "never");
    else if (ns < HF_SECOND) snprintf(text, size, "%lld ms", (long long)((ns + HF_MILLISECOND - 1) / HF_MILLISECOND));
    else if (s < 100) snprintf(text, size, "%.1f s", s);
    else if (s < 7200) snprintf(text, size, "%.0f min", s / 60);
    else snprintf(text, size, "%.1f h", s / 3600);
    return text;
}

static const char *share(char *text, size_t size, uint32_t part, uint32_t total) {
    if (total == 0) snprintf(text, size, "-");
    else snprintf(text, size, "%u/%u %u%%", part, total, (uint32_t)((uint64_t)part * 100 / total));
    return text;
}

static const char *percent(char *text, size_t size, uint32_t ppm) {
    if (ppm == HF_BREAKER_OFF) snprintf(text, size, "off");
    else snprintf(text, size, "%.4g%%", (double)ppm / 10000);
    return text;
}

/* ---- a line for each kind ---- */

static void no_sense(struct page *page, const char *name) {
    fprintf(page->out, "  %-32s (its entry makes no sense)\n", name);
}

/* When and how the next attempts get through. */
static void next_text(char *text, size_t size, const hf_breaker_info *info, hf_time now) {
    char wait[32];
    if (info->retry_at == HF_NEVER) snprintf(text, size, "not before it is set");
    else if (info->retry_at > now) snprintf(text, size, "in %s", duration(wait, sizeof wait, info->retry_at - now));
    else if (info->admit_ppm < HF_PPM) snprintf(text, size, "%u%% now", info->admit_ppm / 10000);
    else snprintf(text, size, info->state == HF_BREAKER_OPEN ? "a probe, now" : "now");
}

static void breaker_line(struct page *page, uint32_t index, const char *name) {
    hf_breaker_config config;
    hf_breaker_config_init(&config);
    hf_breaker_info info = {.struct_size = sizeof info};
    if (hf_region_view_breaker(page->view, index, &config, &info, page->now) < 0) {
        no_sense(page, name);
        return;
    }
    char failed[32], limit[16], slow[32], probes[40] = "-", next[48];
    next_text(next, sizeof next, &info, page->now);
    if (info.state == HF_BREAKER_HALF_OPEN) {
        snprintf(probes, sizeof probes, "%u fly %u ok %u bad", info.probes_flying, info.probes_ok, info.probes_failed);
    }
    fprintf(page->out, "  %-32s %-12s %-14s %-8s %-14s %7u %8u %9llu  %-18s %s\n", name,
            hf_breaker_state_name(info.state), share(failed, sizeof failed, info.failures, info.total),
            percent(limit, sizeof limit, config.failure_rate_ppm), share(slow, sizeof slow, info.slow, info.total),
            info.overdue, info.consecutive, (unsigned long long)info.rejected, probes, next);
}

static void bulkhead_line(struct page *page, uint32_t index, const char *name) {
    hf_region_bulkhead info = {.struct_size = sizeof info};
    char lease[32];
    if (hf_region_view_bulkhead(page->view, index, &info) < 0) {
        no_sense(page, name);
        return;
    }
    fprintf(page->out, "  %-32s %9u %6u %10u %8u %8u %9llu  %s\n", name, info.in_flight, info.max_concurrent,
            info.of_living, info.of_dead, info.unowned, (unsigned long long)info.rejected,
            duration(lease, sizeof lease, info.slot_lease_ms * HF_MILLISECOND));
}

static void budget_line(struct page *page, uint32_t index, const char *name) {
    hf_budget_config config;
    hf_budget_config_init(&config);
    hf_budget_info info = {.struct_size = sizeof info};
    if (hf_region_view_budget(page->view, index, &config, &info, page->now) < 0) {
        no_sense(page, name);
        return;
    }
    char ratio[16];
    fprintf(page->out, "  %-32s %9u %6u %10s %8u %9llu %9llu\n", name, info.available, config.burst,
            config.ratio_ppm == HF_BUDGET_UNLIMITED ? "unlimited" : percent(ratio, sizeof ratio, config.ratio_ppm),
            config.min_per_second, (unsigned long long)info.granted,
            (unsigned long long)info.denied + info.denied_by_parent);
}

static void rate_line(struct page *page, uint32_t index, const char *name) {
    hf_region_rate_limit info = {.struct_size = sizeof info};
    if (hf_region_view_rate_limit(page->view, index, &info, page->now) < 0) {
        no_sense(page, name);
        return;
    }
    for (uint32_t i = 0; i < info.tiers; i++) {
        const hf_region_rate_tier *tier = &info.tier[i];
        double per_second = tier->interval_ns <= 0 ? 0 : (double)HF_SECOND / (double)tier->interval_ns;
        fprintf(page->out, "  %-32s %9lld %6lld %10u %10.6g\n", i == 0 ? name : "", (long long)tier->available,
                (long long)tier->burst, i + 1, per_second);
    }
}

/* ---- the page ---- */

static const struct {
    hf_region_kind kind;
    const char *head;
    line_writer *line;
} parts[] = {
    {HF_REGION_BREAKER,
     "BREAKER                            STATE        FAILED         LIMIT    SLOW           OVERDUE IN A ROW  REJECTED"
     "  PROBES             ADMITS",
     breaker_line},
    {HF_REGION_BULKHEAD,
     "BULKHEAD                           IN FLIGHT     OF  OF LIVING  OF DEAD  UNOWNED  REJECTED  LEASE",
     bulkhead_line},
    {HF_REGION_RATE_LIMIT, "RATE LIMIT                         AVAILABLE     OF       TIER PER SECOND", rate_line},
    {HF_REGION_BUDGET, "BUDGET                             AVAILABLE     OF   OF CALLS  AND 1/S   GRANTED    DENIED",
     budget_line},
};

static void write_part(struct page *page, size_t part) {
    bool begun = false;
    for (uint32_t i = 0; i < HF_REGION_OBJECTS_MAX; i++) {
        hf_region_object object = {.struct_size = sizeof object};
        if (hf_region_view_object(page->view, i, &object) < 0 || object.kind != (int32_t)parts[part].kind) continue;
        if (!begun) fprintf(page->out, "\n%s\n", parts[part].head);
        begun = true;
        parts[part].line(page, i, object.name);
    }
}

static void write_processes(struct page *page) {
    uint32_t shown = 0, more = 0;
    fprintf(page->out, "\n%-34s %9s\n", "PROCESS", "SINCE");
    for (uint32_t slot = 1; slot <= HF_REGION_PROCESSES_MAX; slot++) {
        hf_region_process process = {.struct_size = sizeof process};
        if (hf_region_view_process(page->view, slot, &process) < 0 || !process.alive) continue;
        if (shown == PROCESSES_SHOWN) {
            more++;
            continue;
        }
        shown++;
        char since[32];
        int64_t ns = page->now > process.attached_at ? page->now - process.attached_at : 0;
        fprintf(page->out, "  %-32d %9s\n", process.pid, duration(since, sizeof since, ns));
    }
    if (more > 0) fprintf(page->out, "  and %u more\n", more);
    if (shown == 0) fprintf(page->out, "  (none alive)\n");
}

bool top_page(FILE *out, hf_region_view *view, const char *title, hf_time now) {
    struct page page = {.out = out, .view = view, .now = now};
    hf_region_info info = {.struct_size = sizeof info};
    if (hf_region_view_inspect(view, &info) < 0) return false;
    fprintf(out, "region %s: %u policies, %u processes alive, %llu of %llu KiB free\n", title, info.objects,
            info.processes, (unsigned long long)info.free_bytes / 1024, (unsigned long long)info.size_bytes / 1024);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) write_part(&page, i);
    write_processes(&page);
    return true;
}
