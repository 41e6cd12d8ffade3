/* SPDX-License-Identifier: MIT */
/* Makes an ordinary program of a fuzz target: runs it on the files, and on the files in the directories,
 * that are named on the command line. -v names each before it runs, to see which one fails.
 *   usage: NAME_fuzz [-v] FILE-OR-DIRECTORY... */
#include "fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#define LONGEST (1 << 20)

static int replayed;
static bool verbose;

static void replay_file(const char *path) {
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        exit(1);
    }
    static uint8_t whole[LONGEST];
    size_t size = fread(whole, 1, LONGEST, file);
    /* Exactly as long as the input, so that the address sanitizer sees a read past its end. */
    uint8_t *data = malloc(size > 0 ? size : 1);
    if (data == NULL || ferror(file)) {
        fprintf(stderr, "%s: cannot be read\n", path);
        exit(1);
    }
    fclose(file);
    memcpy(data, whole, size);
    if (verbose) fprintf(stderr, "%s\n", path);
    LLVMFuzzerTestOneInput(data, size);
    free(data);
    replayed++;
}

static void replay(const char *path) {
    struct stat status;
    DIR *directory = stat(path, &status) == 0 && S_ISDIR(status.st_mode) ? opendir(path) : NULL;
    if (directory == NULL) {
        replay_file(path);
        return;
    }
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        if (entry->d_name[0] == '.') continue;
        char full[4096];
        snprintf(full, sizeof full, "%s/%s", path, entry->d_name);
        replay_file(full);
    }
    closedir(directory);
}

int main(int argc, char **argv) {
    verbose = argc > 1 && strcmp(argv[1], "-v") == 0;
    for (int i = verbose ? 2 : 1; i < argc; i++) replay(argv[i]);
    const char *slash = strrchr(argv[0], '/');
    printf("ok   fuzz/%s: %d inputs replayed\n", slash == NULL ? argv[0] : slash + 1, replayed);
    return replayed > 0 ? 0 : 1;
}
