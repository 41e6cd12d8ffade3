/* SPDX-License-Identifier: MIT */
/* Protect a function: the card terminal below fails twice and then works; the checkout does not notice.
 *
 *     build/release/examples/protect_function
 */
#include <holdfast/holdfast.h>

#include <stdio.h>

struct order {
    int id;
    int calls; /* how often the terminal was asked */
    char receipt[32];
};

/* What you have already: a function that may fail. It says how, and hands its deadline on. */
static hf_outcome charge_card(void *arg, const hf_attempt *attempt) {
    struct order *order = arg;
    printf("attempt %u for order %d, %lld ms left\n", attempt->number, order->id,
           (long long)(hf_attempt_remaining_ns(attempt) / HF_MILLISECOND));
    if (++order->calls <= 2) return hf_failure(111); /* connection refused */
    snprintf(order->receipt, sizeof order->receipt, "paid-%d", order->id);
    return hf_success();
}

int main(void) {
    hf_error error;
    hf_pipeline *payments;
    if (hf_pipeline_standard(&payments, "payments", &error) < 0) {
        fprintf(stderr, "%s\n", hf_error_text(&error));
        return 1;
    }

    struct order order = {.id = 42};
    hf_result result;
    int rc = hf_run(payments, charge_card, &order, NULL, &result);

    char text[160];
    hf_result_describe(&result, text, sizeof text);
    printf("%s\n", text);
    if (rc == 0) printf("receipt %s\n", order.receipt);
    hf_pipeline_free(payments);
    return rc == 0 ? 0 : 1;
}
