/* SPDX-License-Identifier: MIT */
/* The control word and the probe leases of a breaker that processes share, one atomic step at a time, with
 * processes that are killed between any two of them. What is a pure function in core/breaker.c and
 * core/breaker_probe.c is one atomic block here; what is a load or a compare-exchange of one word in
 * policy/breaker_policy.c and policy/breaker_change.c is one step.
 *
 * Shown for N = 2 probes of which none may fail, WORKERS processes that make up to CALLS calls each, up to
 * KILLS kills, leases of two ticks, and every order of all steps:
 *   P1  never more than N probes with a lease that runs
 *   P2  a result counts only in the round it was started in, and only while its lease ran
 *   P3  no wedge: when all is quiet and the leases have ended, somebody who asks is admitted
 *   P4  a probe that was given back or settled leaves no slot flying for ever (part of P3)
 *
 * BUG_n leaves out one rule each; tools/check_model.sh proves that the model notices. */

#ifndef WORKERS
#define WORKERS 2
#endif
#ifndef CALLS
#define CALLS 2
#endif
#ifndef KILLS
#define KILLS 1
#endif
#define N 2
#define LEASE 2
#ifndef TICKS
#define TICKS 4
#endif

mtype = { CLOSED, HALF, OPEN };
mtype = { FREE, FLYING, OK, BAD };

/* A word is compared as a whole: all fields. */
typedef Word { mtype state; byte gen; byte ms };
typedef Slot { mtype status; byte gen; byte until };

Word control;
Slot slot[N];
byte now;
bool doomed[8];   /* by process: killed at its next step */
byte quiet;       /* workers that are done or dead */
bool admitted;    /* the last one who asked was */

/* For P2: what really goes on. */
byte running[N];  /* probes that run on a slot, by the lease they were given: until, 0 none */

#define same_control(w) (control.state == w.state && control.gen == w.gen && control.ms == w.ms)
#define same_slot(i, s) (slot[i].status == s.status && slot[i].gen == s.gen && slot[i].until == s.until)
#define mine(i, w) (slot[i].gen == w.gen && slot[i].until >= w.ms)
#ifdef BUG_4 /* leases do not end */
#define flies(i) (slot[i].status == FLYING)
#else
#define flies(i) (slot[i].status == FLYING && now < slot[i].until)
#endif

/* hf__breaker_decide: load control, load every slot, evaluate, exchange. */
inline decide(w, ok, bad, k) {
    do
    :: true ->
        atomic { w.state = control.state; w.gen = control.gen; w.ms = control.ms; ok = 0; bad = 0; k = 0 }
        if
        :: w.state != HALF -> break
        :: else
        fi;
        do
        :: k < N ->
            atomic {
                if
                :: mine(k, w) && slot[k].status == OK -> ok++
                :: mine(k, w) && slot[k].status == BAD -> bad++
                :: else
                fi;
                k++
            }
        :: else -> break
        od;
        if
        :: ok >= N ->
            if
            :: atomic { same_control(w) -> control.state = CLOSED; control.gen = control.gen + 1; control.ms = now; w.ms = 255 }
            :: atomic { !same_control(w) -> skip }
            fi
        :: ok < N && bad > 0 ->
            if
            :: atomic { same_control(w) -> control.state = OPEN; control.gen = control.gen + 1; control.ms = now + 1; w.ms = 255 }
            :: atomic { !same_control(w) -> skip }
            fi
        :: else -> break
        fi;
        if
        :: w.ms == 255 -> break
        :: else
        fi
    od
}

/* breaker_admit of a breaker that is not closed. Ends with got = the slot, or N when turned back, N + 1 when
 * admitted as in closed. */
inline admit(w, t, got, ok, bad, k, none) {
    got = N;
    do
    :: true ->
        atomic { w.state = control.state; w.gen = control.gen; w.ms = control.ms }
        if
        :: w.state == CLOSED -> got = N + 1; break
        :: w.state == OPEN && now < w.ms -> got = N; break
        :: w.state == OPEN && now >= w.ms ->
            atomic {
                if
                :: same_control(w) -> control.state = HALF; control.gen = control.gen + 1; control.ms = now
                :: else
                fi
            }
        :: w.state == HALF ->
#ifndef BUG_5 /* who admits does not decide, although the settler may have died before it did */
            decide(w, ok, bad, k);
#endif
            atomic { w.state = control.state; w.gen = control.gen; w.ms = control.ms; none = true; got = N; k = 0 }
            if
            :: w.state != HALF -> goto again
            :: else
            fi;
            /* hf__probe_claim over a picture of the slots, loaded one by one */
            do
            :: k < N ->
                atomic {
                    if
                    :: flies(k) -> skip
                    :: !flies(k) && slot[k].status == FLYING && mine(k, w) -> /* its lease has ended */
                        t.status = slot[k].status; t.gen = slot[k].gen; t.until = slot[k].until; none = false; got = k + 10;
                        k = N - 1
                    :: !flies(k) && slot[k].status != FLYING && mine(k, w) && slot[k].status != FREE -> skip /* its result */
                    :: !flies(k) && (slot[k].status == FREE || !mine(k, w)) ->
                        if
                        :: got == N ->
                            t.status = slot[k].status; t.gen = slot[k].gen; t.until = slot[k].until; none = false; got = k
                        :: else
                        fi
                    fi;
                    k++
                }
            :: else -> break
            od;
            if
            :: none ->
                if
                :: same_control(w) -> got = N; break
                :: !same_control(w) -> skip
                fi
            :: !none && got >= 10 ->
                atomic {
                    got = got - 10;
                    if
                    :: same_slot(got, t) -> slot[got].status = BAD; running[got] = 0
                    :: else
                    fi
                }
            :: !none && got < 10 ->
                k = 0;
                atomic {
                    if
                    :: same_slot(got, t) ->
                        assert(running[got] == 0 || now >= running[got]); /* P1 */
                        slot[got].status = FLYING; slot[got].gen = w.gen; slot[got].until = now + LEASE;
                        t.status = FLYING; t.gen = w.gen; t.until = now + LEASE;
                        running[got] = t.until;
                        k = 1
                    :: else
                    fi
                }
                if
                :: k == 1 ->
#ifndef BUG_1 /* the control word is not read again after the claim */
                    if
                    :: atomic { same_control(w) -> skip }
                        break
                    :: !same_control(w) ->
                        atomic {
                            if
                            :: same_slot(got, t) -> slot[got].status = FREE; running[got] = 0
                            :: else
                            fi
                        }
                    fi
#else
                    assert(same_control(w)); /* a probe of a round that is over */
                    break
#endif
                :: else
                fi
            fi
        fi;
again:  skip
    od
}

/* breaker_settle of a probe. */
inline settle(t, got, good) {
    atomic {
        if
#ifdef BUG_2 /* the slot is written whatever life it has by now */
        :: true ->
#else
        :: same_slot(got, t) ->
#endif
            if
#ifdef BUG_3 /* a probe that comes back after its lease counts as what it says */
            :: good -> slot[got].status = OK
            :: !good -> slot[got].status = BAD
#else
            :: good && now < t.until -> slot[got].status = OK
            :: !good || now >= t.until -> slot[got].status = BAD
#endif
            fi;
            if
            :: slot[got].status == OK -> assert(now < t.until && running[got] == t.until) /* P2 */
            :: else
            fi;
            running[got] = 0
        :: !same_slot(got, t) -> skip
        fi
    }
}

proctype Worker() {
    Word w; Slot t; byte got, ok, bad, k, calls; bool none;
    {
    do
    :: calls < CALLS ->
        calls++;
        admit(w, t, got, ok, bad, k, none);
        if
        :: got < N ->
            if
            :: settle(t, got, true)
            :: settle(t, got, false)
            fi;
            decide(w, ok, bad, k)
        :: got == N + 1 -> /* closed: a failure trips it */
            atomic {
                if
                :: control.state == CLOSED -> control.state = OPEN; control.gen = control.gen + 1; control.ms = now + 1
                :: true -> skip
                fi
            }
        :: got == N -> skip
        fi;
        atomic { /* what is not needed any more must not make states differ */
            w.state = 0; w.gen = 0; w.ms = 0; t.status = 0; t.gen = 0; t.until = 0;
            got = 0; ok = 0; bad = 0; k = 0; none = false
        }
    :: else -> break
    od
    } unless { doomed[_pid] }
    quiet++
}

active proctype Clock() {
    do
    :: atomic { now < TICKS -> now++ }
    :: break
    od
}

/* The escape of `unless` goes before everything else once it is enabled, so it is somebody else who enables it. */
proctype Killer(byte victim) {
    if
    :: doomed[victim] = true
    :: skip
    fi
}

/* P3: when nobody is left and every lease and open time has ended, one who asks must be admitted. */
active proctype Last() {
    Word w; Slot t; byte got, ok, bad, k, asks; bool none;
    quiet == WORKERS;
    now = 200; /* after everything */
    do
    :: asks < 4 && !admitted ->
        asks++;
        admit(w, t, got, ok, bad, k, none);
        admitted = got != N;
        now = now + 10
    :: else -> break
    od;
    assert(admitted) /* P3, P4 */
}

init {
    atomic {
        byte i, k;
        slot[0].status = FREE; slot[1].status = FREE;
        control.state = OPEN; control.gen = 1; control.ms = 1;
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
