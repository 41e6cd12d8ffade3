/* SPDX-License-Identifier: MIT */
#include "shm/region_handle.h"

#include "os/must.h"
#include "os/shared_file.h"

#include <unistd.h>

/* A child inherits its parent's descriptor, and with it the parent's lock: as long as it kept it open, the
 * parent would look alive after its death. So the child closes it at once, and claims a slot of its own when
 * it first needs one, with a description that the parent has opened for it: the child may be somebody who must not
 * open the file (a worker of a master that is root), or have no room for a descriptor. Nothing else that was inherited is
 * touched.
 *
 * A process made by clone or _Fork without the handlers keeps the descriptor: then its parent's leases end
 * only when both are dead. */
static pthread_mutex_t list_mutex = PTHREAD_MUTEX_INITIALIZER;
static hf_region *first; /* guarded by list_mutex */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool handled;

static void before_fork(void) {
    HF_MUST(pthread_mutex_lock(&list_mutex) == 0);
    for (hf_region *region = first; region != NULL; region = region->next) {
        HF_MUST(pthread_mutex_lock(&region->mutex) == 0);
        if (region->file >= 0) region->locked.for_child = hf__shared_reopen(region->file);
    }
}

static void give_back(void) {
    for (hf_region *region = first; region != NULL; region = region->next) {
        HF_MUST(pthread_mutex_unlock(&region->mutex) == 0);
    }
    HF_MUST(pthread_mutex_unlock(&list_mutex) == 0);
}

static void in_parent(void) {
    for (hf_region *region = first; region != NULL; region = region->next) {
        if (region->locked.for_child >= 0) close(region->locked.for_child);
        region->locked.for_child = -1;
    }
    give_back();
}

static void in_child(void) {
    for (hf_region *region = first; region != NULL; region = region->next) {
        if (region->locked.lock_file >= 0) close(region->locked.lock_file);
        region->locked.lock_file = region->locked.for_child; /* -1: tries itself when it needs it */
        region->locked.for_child = -1;
        atomic_store_explicit(&region->owner, 0, memory_order_relaxed); /* one thread is left */
        atomic_store_explicit(&region->unowned_calls, 0, memory_order_relaxed);
        if (region->file < 0 && region->map != NULL) hf__region_own_local_locked(region);
    }
    give_back();
}

static void install(void) { handled = pthread_atfork(before_fork, in_parent, in_child) == 0; }

bool hf__region_list_add(hf_region *region) {
    HF_MUST(pthread_once(&once, install) == 0);
    if (!handled) return false;
    HF_MUST(pthread_mutex_lock(&list_mutex) == 0);
    region->next = first;
    if (first != NULL) first->previous = region;
    first = region;
    HF_MUST(pthread_mutex_unlock(&list_mutex) == 0);
    return true;
}

void hf__region_list_remove(hf_region *region) {
    HF_MUST(pthread_mutex_lock(&list_mutex) == 0);
    if (region->next != NULL) region->next->previous = region->previous;
    if (region->previous != NULL) region->previous->next = region->next;
    else if (first == region) first = region->next;
    HF_MUST(pthread_mutex_unlock(&list_mutex) == 0);
}
