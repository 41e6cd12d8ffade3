/* SPDX-License-Identifier: MIT */
/* holdfast-top: shows the policies of a named region, live. It only reads, and takes no part. */
#include "holdfast_top/top_page.h"

#include <holdfast/clock.h>
#include <holdfast/version.h>

#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

struct options {
    const char *name;
    const char *directory;
    double interval;
    bool once;
};

static const char usage[] =
    "usage: holdfast-top [OPTION]... REGION\n"
    "Shows the breakers, bulkheads, rate limits and budgets of a named region, and the processes that share it.\n"
    "\n"
    "  -1, --once            print one page and end\n"
    "  -i, --interval N      seconds between two pages, 0.1 to 3600; 1 if not given\n"
    "  -d, --directory DIR   where the file of the region is; /dev/shm if not given\n"
    "  -h, --help            print this and end\n"
    "  -V, --version         print the version and end\n"
    "\n"
    "On a terminal each page replaces the one before; elsewhere an empty line stands between them.\n"
    "Ends with status 1 if the region cannot be read, 2 if the command line makes no sense.\n";

/* The file of a region that is truncated while it is read: all that can be done is to say so. */
static void on_sigbus(int number) {
    static const char text[] = "\nholdfast-top: the region's file was truncated\n";
    (void)number;
    (void)!write(STDERR_FILENO, text, sizeof text - 1);
    _exit(1);
}

static int refuse(const char *what, const char *value) {
    fprintf(stderr, "holdfast-top: %s%s\n%s", what, value, usage);
    return 2;
}

/* -1: go on; else the exit status. */
static int parse(struct options *o, int argc, char **argv) {
    static const struct option known[] = {
        {"once", no_argument, NULL, '1'},
        {"interval", required_argument, NULL, 'i'},
        {"directory", required_argument, NULL, 'd'},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},
        {NULL, 0, NULL, 0},
    };
    char *end;
    int option;
    while ((option = getopt_long(argc, argv, "1i:d:hV", known, NULL)) != -1) {
        switch (option) {
        case '1': o->once = true; break;
        case 'd': o->directory = optarg; break;
        case 'i':
            o->interval = strtod(optarg, &end);
            if (end == optarg || *end != '\0' || !(o->interval >= 0.1 && o->interval <= 3600))
                return refuse("interval is not a number from 0.1 to 3600: ", optarg);
            break;
        case 'h': fputs(usage, stdout); return 0;
        case 'V': puts("holdfast-top " HF_VERSION); return 0;
        default: return refuse("what is not known", "");
        }
    }
    if (optind == argc) return refuse("which region?", "");
    if (optind + 1 < argc) return refuse("one region at a time, not also ", argv[optind + 1]);
    o->name = argv[optind];
    return -1;
}

/* One page. The region is opened afresh each time, so that one which was removed and made again is followed. */
static bool write_page(FILE *out, const struct options *o) {
    hf_region_view *view;
    hf_error error;
    if (hf_region_view_new(&view, o->name, o->directory, &error) < 0) {
        fprintf(out, "%s\n", hf_error_text(&error));
        return false;
    }
    bool read = top_page(out, view, o->name, hf_clock_now(NULL));
    if (!read) fprintf(out, "region %s: the file was truncated\n", o->name);
    hf_region_view_free(view);
    return read;
}

static uint32_t rows_of_terminal(void) {
    struct winsize size;
    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 1 ? size.ws_row : 24;
}

/* Home, each line cut at the edge and cleared behind its end, what does not fit left out, and whatever is below cleared. */
static void show_on_terminal(const char *text) {
    uint32_t rows = rows_of_terminal();
    fputs("\033[?7l\033[H", stdout);
    for (uint32_t row = 1; *text != '\0' && row < rows; row++) {
        size_t length = strcspn(text, "\n");
        const char *rest = text + length + (text[length] == '\n');
        if (row + 1 == rows && *rest != '\0') fputs("  ... (the window is too low for the rest)", stdout);
        else fwrite(text, 1, length, stdout);
        fputs("\033[K\n", stdout);
        text = rest;
    }
    fputs("\033[J\033[?7h", stdout);
}

static int show(const struct options *o, bool terminal, bool first) {
    char *text = NULL;
    size_t size = 0;
    FILE *page = open_memstream(&text, &size);
    if (page == NULL) {
        perror("holdfast-top");
        return 1;
    }
    bool read = write_page(page, o);
    fclose(page);
    if (!read && (o->once || !terminal)) {
        fprintf(stderr, "holdfast-top: %s", text);
        free(text);
        return 1;
    }
    if (terminal) show_on_terminal(text);
    else printf("%s%s", first ? "" : "\n", text);
    free(text);
    return fflush(stdout) == 0 ? 0 : 1;
}

int main(int argc, char **argv) {
    struct options o = {.interval = 1};
    int status = parse(&o, argc, argv);
    if (status >= 0) return status;
    struct sigaction action = {.sa_handler = on_sigbus};
    (void)sigaction(SIGBUS, &action, NULL);
    bool terminal = !o.once && isatty(STDOUT_FILENO);
    if (terminal) fputs("\033[2J", stdout);
    status = show(&o, terminal, true);
    struct timespec pause = {.tv_sec = (time_t)o.interval};
    pause.tv_nsec = (long)((o.interval - (double)pause.tv_sec) * 1e9);
    while (status == 0 && !o.once) {
        (void)nanosleep(&pause, NULL);
        status = show(&o, terminal, false);
    }
    return status;
}
