/* SPDX-License-Identifier: MIT */
/* Runs the tables beside this file, from the root of the tree: the published behaviours and our own. */
#include "support/vector_table.h"

#include <glob.h>
#include <stdlib.h>

#define FOLDER "tests/vectors/"
#define TABLES_MAX 32

/* The whole file, or NULL. */
static char *read_file(const char *path) {
    FILE *file = fopen(path, "rb");
    if (file == NULL) return NULL;
    char *text = NULL;
    size_t used = 0;
    for (size_t got = 1; got > 0; used += got) {
        char *more = realloc(text, used + 4097);
        if (more == NULL) break;
        text = more;
        got = fread(text + used, 1, 4096, file);
        text[used + got] = '\0';
    }
    fclose(file);
    return text;
}

int main(void) {
    glob_t found;
    if (glob(FOLDER "*.vec", 0, NULL, &found) != 0 || found.gl_pathc > TABLES_MAX) {
        fprintf(stderr, "expected 1 to %d tables %s*.vec; run this from the root of the tree\n", TABLES_MAX, FOLDER);
        return EXIT_FAILURE;
    }
    char *texts[TABLES_MAX + 1];
    struct vector_source ids = {FOLDER "ids.txt", texts[TABLES_MAX] = read_file(FOLDER "ids.txt")};
    struct vector_source tables[TABLES_MAX];
    bool fine = ids.text != NULL;
    for (size_t i = 0; i < found.gl_pathc; i++) {
        tables[i] = (struct vector_source){found.gl_pathv[i], texts[i] = read_file(found.gl_pathv[i])};
        fine = fine && texts[i] != NULL;
    }
    if (fine) fine = vector_run(&ids, tables, found.gl_pathc, stdout, NULL, 0).faults == 0;
    else fprintf(stderr, "cannot read %s\n", FOLDER);
    for (size_t i = 0; i < found.gl_pathc; i++) free(texts[i]);
    free(texts[TABLES_MAX]);
    globfree(&found);
    return fine ? EXIT_SUCCESS : EXIT_FAILURE;
}
