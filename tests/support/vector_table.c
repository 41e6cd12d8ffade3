/* SPDX-License-Identifier: MIT */
#include "support/vector_table.h"

#include "support/vector_world.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define IDS_MAX 512
#define ROW_MAX 4096 /* of a row, and so of a line */
#define ID_SIZE 16
#define OWN_PREFIX "OURS-"

struct id {
    char id[ID_SIZE], section[16], verdict[16];
    int line;
    bool seen;
};

struct run {
    struct id listed[IDS_MAX];
    size_t listed_count;
    char own[IDS_MAX][ID_SIZE]; /* IDs of our own rows so far */
    size_t own_count;
    struct vector_totals totals;
    FILE *out;
    char *first_fault;
    size_t size;
};

/* One row, taken apart. */
struct row {
    char text[ROW_MAX];
    int line;
    char *id, *verdict, *setup, *script; /* n/a: the reason and NULL */
};

static void fault(struct run *run, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void fault(struct run *run, const char *format, ...) {
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (run->totals.faults++ == 0 && run->first_fault != NULL) snprintf(run->first_fault, run->size, "%s", text);
    if (run->out != NULL) fprintf(run->out, "FAULT %s\n", text);
}

/* ---- lines ---- */

/* Copies one line without comment and trailing blanks; false at the end of the text. */
static bool next_line(const char **text, char *line, size_t size, int *number) {
    if (**text == '\0') return false;
    size_t length = strcspn(*text, "\n");
    size_t kept = length < size ? length : size - 1;
    memcpy(line, *text, kept);
    line[kept] = '\0';
    *text += length + ((*text)[length] == '\n');
    ++*number;
    if (line[0] == '#') line[0] = '\0';
    char *comment = strstr(line, " # ");
    if (comment != NULL) *comment = '\0';
    for (kept = strlen(line); kept > 0 && line[kept - 1] == ' '; kept--) line[kept - 1] = '\0';
    return true;
}

/* A row and the indented lines that continue it; false at the end. */
static bool next_row(struct run *run, const char *name, const char **text, struct row *row, int *number) {
    char line[ROW_MAX];
    row->text[0] = '\0';
    while (row->text[0] == '\0') {
        if (!next_line(text, line, sizeof line, number)) return false;
        if (line[0] == ' ') fault(run, "%s:%d: syntax: a line that continues no row", name, *number);
        else memcpy(row->text, line, strlen(line) + 1);
        row->line = *number;
    }
    while (**text == ' ' || **text == '#') {
        (void)next_line(text, line, sizeof line, number);
        size_t used = strlen(row->text), more = strlen(line);
        if (more == 0) continue;
        if (used + more + 2 > sizeof row->text) fault(run, "%s:%d: syntax: the row is too long", name, *number);
        else snprintf(row->text + used, sizeof row->text - used, " %s", line + strspn(line, " "));
    }
    return true;
}

static char *trimmed(char *text) {
    text += strspn(text, " ");
    for (size_t i = strlen(text); i > 0 && text[i - 1] == ' '; i--) text[i - 1] = '\0';
    return text;
}

/* Takes the words in quotes that are all of `text`; NULL if it is anything else. */
static char *quoted(char *text) {
    text = trimmed(text);
    size_t length = strlen(text);
    if (length < 3 || text[0] != '"' || strchr(text + 1, '"') != text + length - 1) return NULL;
    text[length - 1] = '\0';
    return text + 1;
}

static bool is_verdict(const char *word) {
    return strcmp(word, "adopt") == 0 || strcmp(word, "adapt") == 0 || strcmp(word, "reject") == 0 ||
           strcmp(word, "ours") == 0;
}

/* "ID verdict | set-up | script" or "ID n/a \"reason\"". */
static bool take_apart(struct row *row) {
    char *save;
    row->id = strtok_r(row->text, " ", &save);
    row->verdict = row->id == NULL ? NULL : strtok_r(NULL, " ", &save);
    char *rest = row->verdict == NULL ? NULL : strtok_r(NULL, "", &save);
    if (rest == NULL || strlen(row->id) >= ID_SIZE) return false;
    row->script = NULL;
    if (strcmp(row->verdict, "n/a") == 0) return (row->setup = quoted(rest)) != NULL;
    rest = trimmed(rest);
    char *bar = strchr(rest + 1, '|');
    if (!is_verdict(row->verdict) || rest[0] != '|' || bar == NULL) return false;
    *bar = '\0';
    row->setup = trimmed(rest + 1);
    row->script = trimmed(bar + 1);
    return row->script[0] != '\0' && strchr(row->script, '|') == NULL;
}

/* ---- IDs ---- */

static struct id *find_listed(struct run *run, const char *id) {
    for (size_t i = 0; i < run->listed_count; i++) {
        if (strcmp(run->listed[i].id, id) == 0) return &run->listed[i];
    }
    return NULL;
}

static void read_ids(struct run *run, const struct vector_source *ids) {
    const char *text = ids->text;
    char line[ROW_MAX];
    int number = 0;
    while (next_line(&text, line, sizeof line, &number)) {
        if (line[0] == '\0') continue;
        struct id id = {"", "", "", number, false};
        char rest[2];
        if (sscanf(line, "%15s %15s %15s %1s", id.id, id.section, id.verdict, rest) != 3) {
            fault(run, "%s:%d: syntax: expected ID, section, verdict", ids->name, number);
            continue;
        }
        if (find_listed(run, id.id) != NULL) fault(run, "%s:%d: %s is listed twice", ids->name, number, id.id);
        else if (run->listed_count == IDS_MAX) fault(run, "%s:%d: more than %d IDs", ids->name, number, IDS_MAX);
        else run->listed[run->listed_count++] = id;
    }
}

/* Of our own, and the first row of its ID? */
static bool is_new_own(struct run *run, const char *name, const struct row *row) {
    if (strcmp(row->verdict, "ours") != 0) {
        fault(run, "%s:%d: %s: expected the verdict \"ours\", found \"%s\"", name, row->line, row->id, row->verdict);
        return false;
    }
    for (size_t i = 0; i < run->own_count; i++) {
        if (strcmp(run->own[i], row->id) != 0) continue;
        fault(run, "%s:%d: %s: there is such a row already", name, row->line, row->id);
        return false;
    }
    if (run->own_count == IDS_MAX) {
        fault(run, "%s:%d: %s: more than %d rows of our own", name, row->line, row->id, IDS_MAX);
        return false;
    }
    memcpy(run->own[run->own_count++], row->id, strlen(row->id) + 1);
    return true;
}

/* Listed, with this verdict, and the first row of its ID? Verdicts that the list words freely are "free". */
static bool is_expected(struct run *run, const char *name, const struct row *row) {
    struct id *id = find_listed(run, row->id);
    if (id == NULL) {
        fault(run, "%s:%d: %s: not in the list of IDs", name, row->line, row->id);
        return false;
    }
    if (id->seen) {
        fault(run, "%s:%d: %s: there is such a row already", name, row->line, row->id);
        return false;
    }
    id->seen = true;
    bool as_listed = row->script == NULL || strcmp(id->verdict, "free") == 0 || strcmp(id->verdict, row->verdict) == 0;
    if (!as_listed) {
        fault(run, "%s:%d: %s: expected the verdict \"%s\" of the list, found \"%s\"", name, row->line, row->id,
              id->verdict, row->verdict);
    }
    return as_listed;
}

/* ---- running ---- */

static void run_row(struct run *run, const char *name, const struct row *row) {
    if (row->script == NULL) {
        run->totals.not_applicable++;
        if (run->out != NULL) fprintf(run->out, "%s not applicable (%s)\n", row->id, row->setup);
        return;
    }
    struct vector_world *world = calloc(1, sizeof *world);
    if (world == NULL) {
        fault(run, "%s:%d: %s: no memory", name, row->line, row->id);
        return;
    }
    world->file = name;
    world->line = row->line;
    world->id = row->id;
    bool fine = vector_world_init(world, row->setup) && vector_script(world, row->script);
    fine = vector_world_fini(world) && fine;
    if (fine) run->totals.ran++;
    else fault(run, "%s", world->fault);
    if (fine && run->out != NULL) fprintf(run->out, "%s ran\n", row->id);
    free(world);
}

static void run_table(struct run *run, const struct vector_source *table) {
    const char *text = table->text;
    struct row row;
    int number = 0;
    while (next_row(run, table->name, &text, &row, &number)) {
        if (!take_apart(&row)) {
            fault(run, "%s:%d: syntax: expected ID adopt|adapt|reject|ours | SET-UP | SCRIPT, or ID n/a \"REASON\"",
                  table->name, row.line);
            continue;
        }
        bool own = strncmp(row.id, OWN_PREFIX, strlen(OWN_PREFIX)) == 0;
        if (own ? !is_new_own(run, table->name, &row) : !is_expected(run, table->name, &row)) continue;
        run_row(run, table->name, &row);
    }
}

struct vector_totals vector_run(const struct vector_source *ids, const struct vector_source *tables, size_t count,
                                FILE *out, char *first_fault, size_t size) {
    struct vector_totals none = {0, 0, 1};
    struct run *run = calloc(1, sizeof *run);
    if (run == NULL) return none;
    run->out = out;
    run->first_fault = first_fault;
    run->size = size;
    read_ids(run, ids);
    for (size_t i = 0; i < count; i++) run_table(run, &tables[i]);
    for (size_t i = 0; i < run->listed_count; i++) {
        const struct id *id = &run->listed[i];
        if (id->seen) continue;
        fault(run, "%s:%d: %s (%s): no table has a row for it", ids->name, id->line, id->id, id->section);
    }
    struct vector_totals totals = run->totals;
    if (out != NULL) {
        fprintf(out, "%u ran, %u not applicable, %u faults, of %zu published and %zu of our own\n", totals.ran,
                totals.not_applicable, totals.faults, run->listed_count, run->own_count);
    }
    free(run);
    return totals;
}
