/* SPDX-License-Identifier: MIT */
/* A function that nobody can stop: the tax service's client library below waits for its server as long as it takes. On
 * a pool its caller is released at the deadline all the same; the next quote does not wait either.
 *
 *     build/release/examples/vendor_pool
 */
#include <holdfast/holdfast.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* What you have already, and cannot change. The first quote finds the server asleep. */
static int vendor_tax_of(int order) {
    struct timespec nap = {.tv_nsec = order == 1 ? 900000000 : 1000000};
    nanosleep(&nap, NULL);
    return order * 19;
}

/* It may run on after its call has ended: it reads `arg` and writes to `output`, and touches nothing else. */
static hf_outcome quote(const void *arg, void *output, const hf_attempt *attempt) {
    (void)attempt;
    const int *order = arg;
    int cents = vendor_tax_of(*order);
    memcpy(output, &cents, sizeof cents);
    return hf_success();
}

/* Runs once for each order, when neither the call nor the function needs it any more. */
static void done_with(void *arg) {
    printf("order %d is given back\n", *(int *)arg);
    free(arg);
}

static void ask(hf_pool *pool, hf_pipeline *pipeline, int number) {
    int *order = malloc(sizeof *order), cents = 0;
    if (order == NULL) return;
    *order = number;
    hf_pool_work work;
    hf_pool_work_init(&work);
    work.operation = quote;
    work.arg = order;
    work.destroy = done_with;
    work.out_output = &cents;
    work.output_size = sizeof cents;
    hf_run_options options;
    hf_run_options_init(&options);
    options.timeout_ns = 300 * HF_MILLISECOND;
    int rc = hf_pool_run(pool, pipeline, &work, &options, NULL);
    if (rc == 0) printf("order %d: %d cents\n", number, cents);
    else printf("order %d: %s\n", number, hf_strerror(rc));
}

int main(void) {
    hf_error error;
    hf_pool *pool;
    hf_pipeline *taxes;
    if (hf_pool_new(&pool, "tax-vendor", NULL, &error) < 0 || hf_pipeline_standard(&taxes, "taxes", &error) < 0) {
        fprintf(stderr, "%s\n", hf_error_text(&error));
        return 1;
    }
    ask(pool, taxes, 1);
    ask(pool, taxes, 2);
    int rc = hf_pool_shutdown(pool, 10 * HF_SECOND); /* order 1 is still under way */
    printf("all threads %s\n", rc == 0 ? "have ended" : "still run");
    hf_pool_free(pool);
    hf_pipeline_free(taxes);
    return rc == 0 ? 0 : 1;
}
