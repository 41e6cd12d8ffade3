/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* memfd_create and its seals, F_OFD_SETLK */
#include "os/shared_file.h"

#include "os/must.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef MFD_ALLOW_SEALING
int hf__shared_anonymous(size_t size) {
    int file = memfd_create("holdfast", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (file < 0) return -1;
    if (ftruncate(file, (off_t)size) == 0 && fcntl(file, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) == 0) return file;
    int reason = errno;
    close(file);
    errno = reason;
    return -1;
}
#else
int hf__shared_anonymous(size_t size) {
    (void)size;
    errno = ENOSYS;
    return -1;
}
#endif

static int trusted(int file) {
    struct stat seen;
    if (file < 0) return -1;
    if (fstat(file, &seen) == 0 && S_ISREG(seen.st_mode) && seen.st_uid == geteuid() &&
        (seen.st_mode & (S_IWGRP | S_IWOTH)) == 0) {
        return file;
    }
    close(file);
    errno = EPERM;
    return -1;
}

/* O_NONBLOCK: what somebody put there may be a FIFO. It means nothing for a regular file. */
int hf__shared_open(const char *path, bool create) {
    return trusted(open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | (create ? O_CREAT : 0), 0600));
}

int hf__shared_open_read(const char *path) {
    return trusted(open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
}

int hf__shared_reopen(int file) {
    /* "/proc/self/fd/" and a number, written without stdio: this runs in children between fork and exec. */
    char path[32] = "/proc/self/fd/";
    char digits[12];
    size_t at = sizeof "/proc/self/fd/" - 1, count = 0;
    for (unsigned rest = (unsigned)file; count == 0 || rest > 0; rest /= 10) digits[count++] = (char)('0' + rest % 10);
    while (count > 0) path[at++] = digits[--count];
    path[at] = '\0';
    return open(path, O_RDWR | O_CLOEXEC);
}

int64_t hf__shared_size(int file) {
    struct stat seen;
    return fstat(file, &seen) == 0 ? (int64_t)seen.st_size : -1;
}

bool hf__shared_empty(int file, size_t size) {
    /* To nothing first: what grows is zero. */
    return ftruncate(file, 0) == 0 && ftruncate(file, (off_t)size) == 0;
}

bool hf__shared_reserve(int file, size_t size) {
    errno = posix_fallocate(file, 0, (off_t)size); /* returned, not set */
    return errno == 0;
}

void *hf__shared_map(int file, size_t size, bool writable) {
    void *memory = mmap(NULL, size, writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, file, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

void hf__shared_unmap(void *memory, size_t size) { HF_MUST(munmap(memory, size) == 0); }

static struct flock one_byte(short type, int64_t offset) {
    return (struct flock){.l_type = type, .l_whence = SEEK_SET, .l_start = (off_t)offset, .l_len = 1};
}

#ifdef F_OFD_SETLK
bool hf__shared_lock(int file, int64_t offset) {
    struct flock lock = one_byte(F_WRLCK, offset);
    return fcntl(file, F_OFD_SETLK, &lock) == 0;
}

void hf__shared_unlock(int file, int64_t offset) {
    struct flock lock = one_byte(F_UNLCK, offset);
    (void)fcntl(file, F_OFD_SETLK, &lock); /* cannot fail but for a closed descriptor, which has no locks */
}

bool hf__shared_locked_elsewhere(int file, int64_t offset) {
    struct flock lock = one_byte(F_RDLCK, offset); /* a read lock may be asked of a descriptor for reading */
    return fcntl(file, F_OFD_GETLK, &lock) != 0 || lock.l_type != F_UNLCK;
}
#else
bool hf__shared_lock(int file, int64_t offset) {
    (void)file, (void)offset, (void)one_byte;
    errno = ENOSYS;
    return false;
}

void hf__shared_unlock(int file, int64_t offset) { (void)file, (void)offset; }

bool hf__shared_locked_elsewhere(int file, int64_t offset) {
    (void)file, (void)offset;
    return true;
}
#endif
