/* SPDX-License-Identifier: MIT */
#ifndef HOLDFAST_HOLDFAST_H
#define HOLDFAST_HOLDFAST_H

/* Everything in libholdfast but testing.h, for tests. libholdfast-curl has curl.h, client.h, client_loop.h and
 * traceparent.h, and adapters/ on top. */

#include <holdfast/backoff.h>
#include <holdfast/breaker.h>
#include <holdfast/breaker_ticket.h>
#include <holdfast/breaker_admin.h>
#include <holdfast/budget.h>
#include <holdfast/bulkhead.h>
#include <holdfast/call.h>
#include <holdfast/cancel.h>
#include <holdfast/clock.h>
#include <holdfast/concurrency.h>
#include <holdfast/error.h>
#include <holdfast/fallback.h>
#include <holdfast/not_before.h>
#include <holdfast/fault.h>
#include <holdfast/hedge.h>
#include <holdfast/pipeline.h>
#include <holdfast/pool.h>
#include <holdfast/ratelimit.h>
#include <holdfast/region.h>
#include <holdfast/region_view.h>
#include <holdfast/result.h>
#include <holdfast/retry.h>
#include <holdfast/run.h>
#include <holdfast/stats.h>
#include <holdfast/switches.h>
#include <holdfast/throttle.h>
#include <holdfast/timeout.h>
#include <holdfast/types.h>
#include <holdfast/version.h>

#endif
