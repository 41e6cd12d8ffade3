/* SPDX-License-Identifier: MIT */
/* report.html: one file that needs nothing else, no script either. */
#include "chart.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char style[] =
    "*{box-sizing:border-box}body{margin:0;background:var(--bg);color:var(--ink);"
    "font:16px/1.55 system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',sans-serif}\n"
    "main{max-width:1020px;margin:0 auto;padding:40px 20px 64px}h1{font-size:34px;line-height:1.15;margin:0 0 8px;"
    "letter-spacing:-.02em}h2{font-size:20px;margin:44px 0 12px}p{margin:0 0 "
    "14px;max-width:74ch}.soft{color:var(--soft)}\n"
    ".cards{display:grid;grid-template-columns:repeat(4,1fr);gap:12px;margin:24px "
    "0}.card{display:flex;flex-direction:column;background:var(--card);"
    "border:1px solid var(--line);border-radius:10px;padding:14px 16px}.card "
    "h3{font-size:13px;font-weight:500;margin:0 0 auto;padding-bottom:8px;"
    "color:var(--soft)}.card div{display:flex;justify-content:space-between;align-items:baseline;font-size:13px}"
    ".card b{font-size:22px;font-variant-numeric:tabular-nums}.n{color:var(--naive)}.h{color:var(--hold)}\n"
    "figure{margin:20px 0 0}svg{display:block;width:100%;height:auto}.narrow{display:none}"
    ".key{display:none;font-size:14px;columns:2;margin:8px 0 0;padding-left:22px}\n"
    ".scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:14px;font-variant-numeric:tabular-"
    "nums}"
    "th,td{padding:7px 10px;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}"
    "th{font-weight:600;color:var(--soft);font-size:13px}th:first-child,td:first-child{text-align:left}"
    "thead tr:first-child th{border-bottom:0;padding-bottom:0}.from{border-left:1px solid var(--line)}"
    "td.h,td.n{font-weight:600}.verdict{font-weight:600;white-space:nowrap!important}.pass{color:var(--good)}.miss{"
    "color:var(--bad)}\n"
    "code{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;background:var(--card);padding:1px "
    "5px;border-radius:4px}\n"
    "@media(max-width:760px){main{padding:24px 14px 48px}h1{font-size:27px}.cards{grid-template-columns:1fr "
    "1fr;gap:8px}"
    ".card{padding:10px 12px}.card b{font-size:18px}.wide,.opt{display:none}.narrow{display:block}.key{display:block}"
    "table{font-size:13px}th,td{padding:6px 6px}td,th{white-space:normal}}\n";

/* ---- the beginning: figures that say it all ---- */

static int sum(const int *values) {
    int total = 0;
    for (int p = 0; p < PHASES; p++) total += values[p];
    return total;
}

static void card(FILE *out, const struct outcome *o, const char *title, const char *naive, const char *holdfast) {
    fprintf(out, "<div class=\"card\"><h3>%s</h3>", title);
    if (o->naive->played) fprintf(out, "<div><span class=\"n\">naive</span><b class=\"n\">%s</b></div>", naive);
    fprintf(out, "<div><span class=\"h\">holdfast</span><b class=\"h\">%s</b></div></div>\n", holdfast);
}

static const char *recovery(const struct figures *f, char *text, size_t size) {
    snprintf(text, size, "%.1f s", f->recover_s);
    return f->recover_s < 0 ? "never" : text;
}

static void write_cards(FILE *out, const struct outcome *o) {
    const struct figures *n = o->naive, *h = o->holdfast;
    char a[32], b[32], title[48];
    fprintf(out, "<div class=\"cards\">\n");
    snprintf(title, sizeof title, "Orders completed, of %d", o->plan->count);
    snprintf(a, sizeof a, "%d", sum(n->completed));
    snprintf(b, sizeof b, "%d", sum(h->completed));
    card(out, o, title, a, b);
    snprintf(a, sizeof a, "%ld", n->books.double_charges);
    snprintf(b, sizeof b, "%ld", h->books.double_charges);
    card(out, o, "Charged twice or more", a, b);
    snprintf(a, sizeof a, "%.2f", n->attempts_per_call);
    snprintf(b, sizeof b, "%.2f", h->attempts_per_call);
    card(out, o, "Attempts per call in outage", a, b);
    card(out, o, "From outage to 99 %", recovery(n, a, sizeof a), recovery(h, b, sizeof b));
    fprintf(out, "</div>\n");
}

/* ---- what one sees ---- */

static double percent(int part, int whole) { return whole > 0 ? 100.0 * part / whole : 100; }

/* Sentences from this run's figures, not from how it is meant to go. */
static void explain_naive(FILE *out, const struct outcome *o) {
    const struct figures *n = o->naive;
    const struct plan *plan = o->plan;
    int arrived = plan->phase[INVENTORY_RESETS].arrived + plan->phase[RECOMMENDATIONS_HANG].arrived;
    int completed = n->completed[INVENTORY_RESETS] + n->completed[RECOMMENDATIONS_HANG];
    fprintf(
        out,
        "<p><b class=\"n\">naive</b> In the surge %.0f orders a second arrive and payments can take %.0f. What times "
        "out or is "
        "turned away is tried again at once, so that payments is asked up to four times for one order, its queue grows "
        "to %ld "
        "and it works for customers who have gone. In the two phases after the brown-out it could serve everybody, and "
        "%.0f&nbsp;%% of the orders are completed",
        plan->phase[SURGE].rate, plan->phase[SURGE].capacity, n->books.max_queue, percent(completed, arrived));
    fprintf(out, n->recover_s < 0 ? ": it does not come back by itself.</p>\n" : ".</p>\n");
}

static void explain_holdfast(FILE *out, const struct outcome *o) {
    const struct figures *h = o->holdfast;
    const struct plan *plan = o->plan;
    if (!o->settings->policies) {
        fprintf(out, "<p class=\"miss\">Played with the policies disabled: these are empty pipelines.</p>\n");
        return;
    }
    fprintf(out,
            "<p><b class=\"h\">holdfast</b> Payments is sent what it can do, and the rest is told so at once: "
            "%.0f&nbsp;%% of the "
            "surge and %.0f&nbsp;%% of the brown-out are completed, with a median of %.0f and %.0f ms for an answer of "
            "either kind. "
            "Inventory's resets cost %d orders and the hang of recommendations %d. While payments is dead its breaker "
            "opens and "
            "probes it now and then",
            percent(h->completed[SURGE], plan->phase[SURGE].arrived),
            percent(h->completed[BROWN_OUT], plan->phase[BROWN_OUT].arrived), h->p50_ms[SURGE], h->p50_ms[BROWN_OUT],
            plan->phase[INVENTORY_RESETS].arrived - h->completed[INVENTORY_RESETS],
            plan->phase[RECOMMENDATIONS_HANG].arrived - h->completed[RECOMMENDATIONS_HANG]);
    if (h->recover_s < 0) fprintf(out, "; it has not come back within the run.</p>\n");
    else fprintf(out, "; %.1f s after the outage all is well.</p>\n", h->recover_s);
}

static void write_chart(FILE *out, const struct outcome *o) {
    static const char *const keys[PHASES] = {
        "calm", "surge", "brown-out", "inventory resets", "recommendations hang", "payments dead", "recovery"};
    fprintf(out, "<figure>\n<div class=\"wide\">\n");
    chart_write(out, o, CHART_WIDE);
    fprintf(out, "</div>\n<div class=\"narrow\">\n");
    chart_write(out, o, CHART_NARROW);
    fprintf(out, "</div>\n<ol class=\"key\">");
    for (int p = 0; p < PHASES; p++) fprintf(out, "<li>%s</li>", keys[p]);
    fprintf(out, "</ol>\n</figure>\n");
}

/* ---- tables ---- */

static void phase_cells(FILE *out, const struct figures *f, const char *class, int arrived, int p) {
    fprintf(out,
            "<td class=\"from %s\">%d</td><td>%.1f&nbsp;%%</td><td class=\"opt\">%.0f</td><td class=\"opt\">%.0f</td>",
            class, f->completed[p], percent(f->completed[p], arrived), f->p50_ms[p], f->p99_ms[p]);
}

static void write_phases(FILE *out, const struct outcome *o) {
    static const char head[] =
        "<th class=\"from\" colspan=\"2\">completed</th><th class=\"opt\">p50 ms</th><th class=\"opt\">p99 ms</th>";
    bool both = o->naive->played;
    fprintf(out, "<h2>Phase by phase</h2>\n<div class=\"scroll\"><table>\n<thead><tr><th></th><th></th><th "
                 "class=\"opt\">payments</th>");
    if (both) fprintf(out, "<th class=\"from n\" colspan=\"2\">naive</th><th class=\"opt\" colspan=\"2\"></th>");
    fprintf(out,
            "<th class=\"from h\" colspan=\"2\">holdfast</th><th class=\"opt\" "
            "colspan=\"2\"></th></tr>\n<tr><th>phase</th><th>arrived</th><th "
            "class=\"opt\">can "
            "take</th>%s%s</tr></thead>\n<tbody>\n",
            both ? head : "", head);
    for (int p = 0; p < PHASES; p++) {
        const struct phase *phase = &o->plan->phase[p];
        fprintf(out, "<tr><td>%s</td><td>%d</td><td class=\"opt\">%.1f/s</td>", phase->name, phase->arrived,
                p == PAYMENTS_DEAD ? 0 : phase->capacity);
        if (both) phase_cells(out, o->naive, "n", phase->arrived, p);
        phase_cells(out, o->holdfast, "h", phase->arrived, p);
        fprintf(out, "</tr>\n");
    }
    fprintf(out, "</tbody></table></div>\n");
}

static void row(FILE *out, const struct outcome *o, const char *name, const char *format, double naive,
                double holdfast) {
    char text[32];
    fprintf(out, "<tr><td>%s</td>", name);
    snprintf(text, sizeof text, format, naive);
    if (o->naive->played) fprintf(out, "<td class=\"n\">%s</td>", text);
    snprintf(text, sizeof text, format, holdfast);
    fprintf(out, "<td class=\"h\">%s</td></tr>\n", text);
}

static void write_totals(FILE *out, const struct outcome *o) {
    const struct figures *n = o->naive, *h = o->holdfast;
    char a[32], b[32];
    fprintf(out,
            "<h2>All in all</h2>\n<div class=\"scroll\"><table>\n<thead><tr><th></th>%s<th "
            "class=\"h\">holdfast</th></tr></thead>\n"
            "<tbody>\n",
            n->played ? "<th class=\"n\">naive</th>" : "");
    row(out, o, "attempts / admitted calls, payments dead", "%.2f", n->attempts_per_call, h->attempts_per_call);
    row(out, o, "orders charged more than once", "%.0f", (double)n->books.double_charges,
        (double)h->books.double_charges);
    row(out, o, "orders charged, but not completed", "%.0f", n->charged_lost, h->charged_lost);
    row(out, o, "orders lost to recommendations", "%.0f", n->lost_to_recommendations, h->lost_to_recommendations);
    row(out, o, "orders with bestsellers in place of recommendations", "%.0f", n->fell_back, h->fell_back);
    row(out, o, "longest queue at payments", "%.0f", (double)n->books.max_queue, (double)h->books.max_queue);
    fprintf(out, "<tr><td>from the end of the outage to 99&nbsp;%%</td>");
    if (n->played) fprintf(out, "<td class=\"n\">%s</td>", recovery(n, a, sizeof a));
    fprintf(out, "<td class=\"h\">%s</td></tr>\n</tbody></table></div>\n", recovery(h, b, sizeof b));
}

static void write_bars(FILE *out, const struct outcome *o) {
    int missed = 0;
    for (int i = 0; i < o->bar_count; i++) missed += !o->bars[i].pass;
    fprintf(out, "<h2>Bars for holdfast: ");
    if (missed == 0) fprintf(out, "all %d pass</h2>\n", o->bar_count);
    else fprintf(out, "<span class=\"miss\">%d of %d missed</span></h2>\n", missed, o->bar_count);
    fprintf(out, "<div class=\"scroll\"><table>\n<thead><tr><th>bar</th><th>measured</th><th>asked "
                 "for</th><th></th></tr></thead>\n"
                 "<tbody>\n");
    for (int i = 0; i < o->bar_count; i++) {
        const struct bar *bar = &o->bars[i];
        int digits = strcmp(bar->unit, "orders") == 0 || strcmp(bar->unit, "ms") == 0 ? 0 : bar->unit[0] == '%' ? 1 : 2;
        fprintf(out, "<tr><td>%s</td><td>%.*f %s</td><td>%s %.*f</td><td class=\"verdict %s\">%s</td></tr>\n",
                bar->name, digits, bar->figure, bar->unit, bar->at_least ? "&ge;" : "&le;", digits, bar->limit,
                bar->pass ? "pass" : "miss", bar->pass ? "&#10003; pass" : "&#10007; miss");
    }
    fprintf(out, "</tbody></table></div>\n");
}

void page_write(FILE *out, const struct outcome *o) {
    const struct plan *plan = o->plan;
    fprintf(out, "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                 "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
                 "<meta name=\"color-scheme\" content=\"light dark\">\n<title>Black Friday: naive and "
                 "holdfast</title>\n<style>\n");
    chart_style(out);
    fprintf(out, "%s</style>\n</head>\n<body>\n<main>\n<h1>Black Friday</h1>\n", style);
    fprintf(out,
            "<p class=\"soft\">The same %d orders at the same instants, against HTTP services that fail for real%s. An "
            "order has "
            "%d s to complete.</p>\n",
            plan->count, o->naive->played ? ": once through plain libcurl with retries, once through holdfast" : "",
            (int)(CHECKOUT_DEADLINE_NS / HF_SECOND));
    write_cards(out, o);
    if (o->naive->played) explain_naive(out, o);
    explain_holdfast(out, o);
    write_chart(out, o);
    write_phases(out, o);
    write_totals(out, o);
    write_bars(out, o);
    fprintf(out,
            "<h2>How it was measured</h2>\n<p class=\"soft\">Seed %llu, %.1f s. Arrivals are a Poisson process that "
            "does not wait "
            "for answers. Payments has workers and a queue; its overload comes from these, not from dice. Requests are "
            "counted by the server, breaker states are what the breakers reported as they changed. Where fewer than "
            "100 orders "
            "arrive in a half second its p99 is the slowest of them. <code>docs/demo.md</code> has the method, "
            "<code>make demo</code> plays it again.</p>\n</main>\n</body>\n</html>\n",
            (unsigned long long)o->settings->seed, plan->seconds);
}
