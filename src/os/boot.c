/* SPDX-License-Identifier: MIT */
#include "os/boot.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static int hex(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

void hf__boot_now(struct hf__boot *out) {
    *out = (struct hf__boot){{0}, 0};
    char text[40];
    int file = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t got = file < 0 ? 0 : read(file, text, sizeof text);
    if (file >= 0) close(file);
    unsigned digits = 0; /* 8-4-4-4-12 hexadecimal digits */
    for (ssize_t i = 0; i < got && digits < 2 * sizeof out->id; i++) {
        int digit = hex(text[i]);
        if (digit < 0) continue;
        out->id[digits / 2] = (unsigned char)(out->id[digits / 2] << 4 | digit);
        digits++;
    }
    struct stat seen;
    if (stat("/proc/self/ns/time", &seen) == 0) out->time_namespace = (uint64_t)seen.st_ino;
}
