/* SPDX-License-Identifier: MIT */
#include "os/boot.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static int hex(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_boot_id(unsigned char *id) {
    char text[40];
    int file = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (file < 0) return false;
    ssize_t got = read(file, text, sizeof text);
    int reason = got < 0 ? errno : EIO; /* EIO: it is no id */
    close(file);
    unsigned digits = 0; /* 8-4-4-4-12 hexadecimal digits */
    for (ssize_t i = 0; i < got && digits < 32; i++) {
        int digit = hex(text[i]);
        if (digit < 0) continue;
        id[digits / 2] = (unsigned char)(id[digits / 2] << 4 | digit);
        digits++;
    }
    errno = reason;
    return digits == 32;
}

bool hf__boot_now(struct hf__boot *out) {
    *out = (struct hf__boot){{0}, 0};
    if (!read_boot_id(out->id)) return false;
    struct stat seen;
    if (stat("/proc/self/ns/time", &seen) == 0) out->time_namespace = (uint64_t)seen.st_ino;
    return true;
}
