/* SPDX-License-Identifier: MIT */
#include "os/random_seed.h"

#include "os/monotonic.h"

#include <fcntl.h>
#include <unistd.h>

bool hf__random_bytes(void *out, size_t size) {
    int file = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
    ssize_t got = file < 0 ? -1 : read(file, out, size);
    if (file >= 0) close(file);
    return got == (ssize_t)size;
}

uint64_t hf__random_seed(void) {
    uint64_t seed;
    if (hf__random_bytes(&seed, sizeof seed)) return seed;
    /* No random device, a chroot for instance: time and process still tell fleets apart. */
    return (uint64_t)hf__monotonic_now() ^ (uint64_t)getpid() << 40;
}
