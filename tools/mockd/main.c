/* SPDX-License-Identifier: MIT */
#include "server.h"
#include "timers.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

static const char usage[] =
    "usage: mockd [OPTIONS] SCENARIO\n"
    "\n"
    "A web server that fails on purpose, as the scenario file says: status mixes, latency, hangs, drips, resets,\n"
    "broken answers of every kind, rules for single requests, a capacity model that really overloads, and a\n"
    "ledger of side effects.\n"
    "\n"
    "  --port N            listen on 127.0.0.1:N; 0, the default, takes a free one and prints it\n"
    "  --seed N            of everything random (default 1)\n"
    "  --wait-start        the phases start with a request for /_control/start, not at once\n"
    "  --tls FILE          serve HTTPS with a throw-away authority; its certificate is written to FILE (PEM)\n"
    "  --tls-cert KIND     what the server shows: good (default), expired, wrong-host or unknown-ca\n"
    "  --check             read the scenario, say what is wrong with it, and stop\n"
    "  --exit-with-parent  stop when the process that started it ends\n"
    "  --help, --version\n"
    "\n"
    "GET /_control gives the counters as JSON. POST /_control changes routes, rules and the phase at run time:\n"
    "  curl --data-binary '[route /pay]\n"
    "  status = 503' http://127.0.0.1:PORT/_control\n"
    "What it does not understand it answers with 400 and what was expected, and changes nothing.\n"
    "\n"
    "SIGTERM or SIGINT stops it. Exit status: 0, 1 if it cannot serve, or 2 for bad arguments or a bad scenario,\n"
    "with a sentence that says what and where.\n"
    "The keys of a scenario are in docs/mockd.md and tools/mockd/example.ini.\n";

struct arguments {
    int port;
    long seed;
    bool wait_start, check, exit_with_parent;
    const char *scenario;
    const char *ca_file; /* NULL: no TLS */
    enum tls_flaw flaw;
};

static long number_or_die(const char *option, const char *text, long low, long high) {
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (end == text || *end != '\0' || errno != 0 || value < low || value > high) {
        fprintf(stderr, "mockd: %s %s: expected a whole number from %ld to %ld\n", option, text, low, high);
        exit(2);
    }
    return value;
}

static void flaw_or_die(const char *text, enum tls_flaw *flaw) {
    if (tls_flaw_of(text, flaw)) return;
    fprintf(stderr, "mockd: --tls-cert %s: expected good, expired, wrong-host or unknown-ca\n", text);
    exit(2);
}

static struct arguments read_arguments(int argc, char **argv) {
    static const struct option options[] = {
        {"port", required_argument, NULL, 'p'},       {"seed", required_argument, NULL, 's'},
        {"wait-start", no_argument, NULL, 'w'},       {"check", no_argument, NULL, 'c'},
        {"exit-with-parent", no_argument, NULL, 'x'}, {"help", no_argument, NULL, 'h'},
        {"tls", required_argument, NULL, 't'},        {"tls-cert", required_argument, NULL, 'f'},
        {"version", no_argument, NULL, 'v'},          {NULL, 0, NULL, 0}};
    struct arguments a = {.seed = 1};
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'p': a.port = (int)number_or_die("--port", optarg, 0, 65535); break;
        case 's': a.seed = number_or_die("--seed", optarg, 0, INT32_MAX); break;
        case 'w': a.wait_start = true; break;
        case 'c': a.check = true; break;
        case 'x': a.exit_with_parent = true; break;
        case 't': a.ca_file = optarg; break;
        case 'f': flaw_or_die(optarg, &a.flaw); break;
        case 'h': fputs(usage, stdout); exit(0);
        case 'v': puts("mockd of holdfast " MOCKD_VERSION); exit(0);
        default: fputs("mockd: see mockd --help\n", stderr); exit(2);
        }
    }
    if (optind != argc - 1) {
        fputs("mockd: expected one scenario file; see mockd --help\n", stderr);
        exit(2);
    }
    a.scenario = argv[optind];
    return a;
}

static void allow_many_connections(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

static int serve(struct server *server, const struct arguments *a) {
    sigset_t stop;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    sigaddset(&stop, SIGINT);
    pthread_sigmask(SIG_BLOCK, &stop, NULL); /* before the threads, which inherit it */
    signal(SIGPIPE, SIG_IGN);
    allow_many_connections();
    if (!timers_start()) return fprintf(stderr, "mockd: cannot start a thread\n"), 1;
    static struct tls_identity identity;
    if (a->ca_file != NULL && !tls_make_identity(&identity, a->flaw, a->ca_file)) return 1;
    int port = server_listen(server, a->port, a->ca_file == NULL ? NULL : &identity);
    if (port < 0) return 1;
    if (!a->wait_start) server_start_phases(server);
    printf("listening on 127.0.0.1:%d\n", port);
    fflush(stdout);
    int signal_number;
    sigwait(&stop, &signal_number);
    server_stop(server);
    return 0;
}

int main(int argc, char **argv) {
    struct arguments a = read_arguments(argc, argv);
    if (a.exit_with_parent) {
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        if (getppid() == 1) return 0; /* too late: it has ended already */
    }
    static struct scenario scenario;
    char message[640];
    if (!scenario_read(&scenario, a.scenario, message, sizeof message)) {
        fprintf(stderr, "%s\n", message);
        return 2;
    }
    if (a.check)
        return printf("%s: %d routes, %d phases, %d rules\n", a.scenario, scenario.route_count, scenario.phase_count,
                      scenario.rule_count),
               0;
    static struct server server = {.mutex = PTHREAD_MUTEX_INITIALIZER, .held_phase = -1};
    server.scenario = &scenario;
    uint64_t mixed = (uint64_t)a.seed * UINT64_C(0x9e3779b97f4a7c15);
    memcpy(server.random, &mixed, sizeof server.random);
    return serve(&server, &a);
}
