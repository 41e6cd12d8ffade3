/* SPDX-License-Identifier: MIT */
#include "shm/region_handle.h"

#include "os/boot.h"
#include "os/error_text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* The file of a region: what it is called, and the header that says what it is. */

#define DEFAULT_DIRECTORY "/dev/shm"

/* ---- name ---- */

static bool name_char(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
           c == '.';
}

int hf__region_check_name(const char *name, hf_error *error) {
    size_t length = strlen(name);
    bool good = length > 0 && length <= HF_NAME_MAX && name[0] != '.' && name[length - 1] != '.';
    for (size_t i = 0; i < length && good; i++) good = name_char(name[i]);
    if (good) return 0;
    return hf__error_set(error, HF_E_INVALID,
                         "region \"%.64s\": name is not allowed, expected 1 to %d of A-Z a-z 0-9 _ - and inner dots",
                         name, HF_NAME_MAX);
}

int hf__region_path(char *path, const char *name, const char *directory, hf_error *error) {
    int rc = hf__region_check_name(name, error);
    if (rc < 0) return rc;
    if (directory == NULL) directory = DEFAULT_DIRECTORY;
    /* The layout is in the name: programs of two versions have a region each. */
    int length = snprintf(path, HF__REGION_PATH_SIZE, "%s/holdfast-%u.%s", directory, HF__REGION_LAYOUT, name);
    if (length > 0 && length < HF__REGION_PATH_SIZE && directory[0] == '/') return 0;
    return hf__error_set(error, HF_E_INVALID,
                         "region \"%s\": directory is \"%.64s\", expected an absolute path of at most %d characters",
                         name, directory, HF__REGION_PATH_SIZE - (int)sizeof "/holdfast-1." - HF_NAME_MAX);
}

int hf__region_open_error(const char *title, const char *path, hf_error *error) {
    int reason = errno;
    return hf__error_set(error, HF_E_SYSTEM, "region \"%s\": %.96s: %s", title, path,
                         reason == EPERM ? "not a regular file of this user alone" : hf__errno_text(reason));
}

/* ---- header ---- */

/* FNV-1a over everything that the layout depends on. */
static uint64_t configuration_hash(uint64_t size) {
    const uint64_t facts[] = {HF__REGION_LAYOUT,    size,        HF_REGION_PROCESSES_MAX, HF_REGION_OBJECTS_MAX,
                              HF__REGION_RULES_MAX, HF_NAME_MAX, HF__OWNER_SERIAL_BITS};
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < sizeof facts / sizeof facts[0]; i++) {
        for (int byte = 0; byte < 8; byte++) {
            hash ^= (facts[i] >> (8 * byte)) & 0xff;
            hash *= UINT64_C(0x100000001b3);
        }
    }
    return hash;
}

bool hf__region_write_header(struct hf__region_map *map, uint64_t size) {
    struct hf__boot boot;
    bool known = hf__boot_now(&boot);
    struct hf__region_header *header = &map->header;
    header->layout = HF__REGION_LAYOUT;
    header->word_bytes = (uint32_t)sizeof(void *);
    header->size = size;
    header->configuration = configuration_hash(size);
    header->time_namespace = boot.time_namespace;
    memcpy(header->boot_id, boot.id, sizeof header->boot_id);
    if (known) atomic_store_explicit(&header->magic, HF__REGION_MAGIC, memory_order_release);
    return known;
}

enum hf__header_state hf__region_read_header(const struct hf__region_map *map, uint64_t size, const char *title,
                                             hf_error *error) {
    struct hf__boot boot;
    if (!hf__boot_now(&boot)) {
        /* Not to be taken for a region from before a reboot, which would be emptied under those who use it. */
        hf__error_set(error, HF_E_SYSTEM, "region \"%s\": the system does not tell its boot id: %s", title,
                      hf__errno_text(errno));
        return HF__HEADER_UNKNOWN;
    }
    const struct hf__region_header *header = &map->header;
    uint64_t magic = atomic_load_explicit(&header->magic, memory_order_acquire);
    const char *what = NULL;
    if (magic == 0) return HF__HEADER_UNMADE; /* its maker died; nobody uses it */
    if (magic != HF__REGION_MAGIC) what = "is no region (magic)";
    else if (header->layout != HF__REGION_LAYOUT) what = "has another layout version";
    else if (memcmp(header->boot_id, boot.id, sizeof boot.id) != 0) return HF__HEADER_OLD_BOOT;
    else if (header->word_bytes != sizeof(void *)) what = "was made by a program of another word size";
    else if (header->size != size) what = "was made with another size_kib";
    else if (header->configuration != configuration_hash(size)) what = "was made with other limits";
    else if (header->time_namespace != boot.time_namespace) what = "belongs to another time namespace";
    if (what == NULL) return HF__HEADER_GOOD;
    hf__error_set(error, HF_E_STATE, "region \"%s\": the file %s", title, what);
    return HF__HEADER_BAD;
}
