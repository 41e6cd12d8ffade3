/* SPDX-License-Identifier: MIT */
#ifndef HF_OS_SHARED_FILE_H
#define HF_OS_SHARED_FILE_H

/* Files as memory that processes share, and locks on them that the kernel frees at the owner's death. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An anonymous file in memory of `size` bytes that cannot be truncated, or -1 with errno (ENOSYS: the
 * system has none). Closed on exec. */
int hf__shared_anonymous(size_t size);

/* Opens `path` for reading and writing, and makes it with mode 0600 unless `create` is false; -1 with errno.
 * Follows no link; EPERM when it is not a regular file of this user that nobody else can write. */
int hf__shared_open(const char *path, bool create);

/* The same for reading only. */
int hf__shared_open_read(const char *path);

/* A second description of an open file: locks belong to descriptions, and a child shares its parent's.
 * -1 with errno. */
int hf__shared_reopen(int file);

/* The size, or -1 with errno. */
int64_t hf__shared_size(int file);

/* Gives the file exactly `size` zero bytes; false with errno. */
bool hf__shared_empty(int file, size_t size);

/* Makes sure that there is room behind all of its bytes; false with errno. A full /dev/shm (64 MiB in many a container)
 * would otherwise be a SIGBUS with the first write. */
bool hf__shared_reserve(int file, size_t size);

/* NULL with errno. */
void *hf__shared_map(int file, size_t size, bool writable);
void hf__shared_unmap(void *memory, size_t size);

/* Locks one byte, without waiting. Owned by the description of `file`: freed when its last descriptor is
 * closed, at the latest when the process dies. False when another description has it. */
bool hf__shared_lock(int file, int64_t offset);
void hf__shared_unlock(int file, int64_t offset);

/* Has another description locked this byte? True too when the system does not say. */
bool hf__shared_locked_elsewhere(int file, int64_t offset);

#endif
