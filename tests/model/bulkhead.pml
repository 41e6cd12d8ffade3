/* SPDX-License-Identifier: MIT */
/* The leases of a bulkhead that processes share (core/bulkhead_lease.c, policy/bulkhead_region.c), with
 * processes that are killed between any two steps.
 *
 * Shown for N = 2 slots, WORKERS processes that take and put up to CALLS times, up to KILLS kills, leases of
 * one tick, and every order of all steps:
 *   P1  never more than N processes that live hold a slot
 *   P2  permits are conserved: when all is quiet and the leases have ended, N slots can be taken
 *
 * BUG_n leaves out one rule each; tools/check_model.sh proves that the model notices. */

#ifndef WORKERS
#define WORKERS 3
#endif
#ifndef CALLS
#define CALLS 2
#endif
#ifndef KILLS
#define KILLS 1
#endif
#ifndef TICKS
#define TICKS 2
#endif
#define N 2
#define LEASE 1

typedef Slot { byte owner; byte until } /* owner 0: free */

Slot slot[N];
byte now, quiet, holders;
bool dead[10];
bool doomed[10];

#define same(i, s) (slot[i].owner == s.owner && slot[i].until == s.until)

/* Takes a free slot, or one whose lease has ended and whose owner is dead; got = N when there is none. */
inline take(me, s, i, got) {
    got = N; i = 0;
    do
    :: i < N && got == N ->
        atomic { s.owner = slot[i].owner; s.until = slot[i].until }
        if
        :: s.owner == 0 ->
            atomic {
                if
                :: same(i, s) -> slot[i].owner = me; slot[i].until = now + LEASE; s.owner = me; s.until = now + LEASE; got = i;
                    holders++; assert(holders <= N) /* P1 */
                :: else
                fi
            }
#ifndef BUG_2 /* what the dead held is never freed */
        :: s.owner != 0 && now >= s.until ->
#ifndef BUG_1 /* a lease that has ended is taken although its owner lives */
            if
            :: dead[s.owner] ->
#endif
                atomic {
                    if
                    :: same(i, s) -> slot[i].owner = 0; slot[i].until = 0
                    :: else
                    fi
                }
                i = i - 1 /* look again */
#ifndef BUG_1
            :: !dead[s.owner] ->
                atomic {
                    if
                    :: same(i, s) -> slot[i].until = now + LEASE
                    :: else
                    fi
                }
            fi
#endif
        :: s.owner != 0 && now < s.until -> skip
#else
        :: s.owner != 0 -> skip
#endif
        fi;
        i = i + 1
    :: else -> break
    od
}

/* The owner may have had its lease extended meanwhile: it looks again until the word is the one it gives back. */
inline put(me, s, got) {
    do
    :: true ->
        atomic { s.owner = slot[got].owner; s.until = slot[got].until }
        if
        :: s.owner != me -> break
        :: s.owner == me ->
            if
            :: atomic { same(got, s) -> slot[got].owner = 0; slot[got].until = 0; holders-- }
                break
            :: atomic { !same(got, s) -> skip }
            fi
        fi
    od
}

proctype Worker() {
    Slot s; byte i, got, calls;
    {
    do
    :: calls < CALLS ->
        calls++;
        take(_pid, s, i, got);
        if
        :: got < N -> put(_pid, s, got)
        :: got == N -> skip
        fi;
        atomic { s.owner = 0; s.until = 0; i = 0; got = 0 }
    :: else -> break
    od
    } unless { doomed[_pid] }
    atomic {
        dead[_pid] = true; /* the kernel frees the lock: at its death, before anybody can ask */
        /* whoever is dead holds nothing any more in the sense of P1 */
        i = 0;
        do
        :: i < N ->
            if
            :: slot[i].owner == _pid -> holders--
            :: else
            fi;
            i++
        :: else -> break
        od;
        quiet++
    }
}

proctype Killer(byte victim) {
    if
    :: doomed[victim] = true
    :: skip
    fi
}

active proctype Clock() {
    do
    :: atomic { now < TICKS -> now++ }
    :: break
    od
}

active proctype Last() {
    Slot s; byte i, got, taken;
    quiet == WORKERS;
    now = 200;
    do
    :: taken < N ->
        take(9, s, i, got);
        assert(got < N); /* P2 */
        taken++
    :: else -> break
    od
}

init {
    atomic {
        byte i, k;
        i = 0;
        do
        :: i < WORKERS ->
            k = run Worker();
            if
            :: i < KILLS -> run Killer(k)
            :: else
            fi;
            i++
        :: else -> break
        od
    }
}
