// SPDX-License-Identifier: MIT
// A C++11 program against an installed holdfast: handles in unique_ptr, a lambda as the operation.
#include <holdfast/holdfast.h>
#include <holdfast/testing.h>

#include <iostream>
#include <memory>
#include <string>

namespace {

struct Free {
    void operator()(hf_pipeline *pipeline) const { hf_pipeline_free(pipeline); }
    void operator()(hf_test_clock *clock) const { hf_test_clock_free(clock); }
};

struct Order {
    int calls;
    std::string receipt;
};

} // namespace

int main() {
    hf_error error;
    hf_pipeline *raw_pipeline = nullptr;
    hf_test_clock *raw_clock = nullptr;
    if (hf_pipeline_standard(&raw_pipeline, "payments", &error) < 0 || hf_test_clock_new(&raw_clock, 0, &error) < 0) {
        std::cout << hf_error_text(&error) << "\n";
        return 1;
    }
    std::unique_ptr<hf_pipeline, Free> pipeline(raw_pipeline);
    std::unique_ptr<hf_test_clock, Free> clock(raw_clock);
    hf_test_install(clock.get(), 1);

    Order order = {0, ""};
    hf_result result;
    int rc = hf_run(
        pipeline.get(),
        [](void *arg, const hf_attempt *) {
            Order *o = static_cast<Order *>(arg);
            if (++o->calls < 3) return hf_throttled(429, HF_SECOND);
            o->receipt = "paid";
            return hf_success();
        },
        &order, nullptr, &result);
    hf_test_uninstall();
    bool waited = hf_clock_now(hf_test_clock_clock(clock.get())) >= 2 * HF_SECOND;
    std::cout << "version " << hf_version() << ", " << hf_result_attempts(&result) << " attempts, " << order.receipt
              << (waited ? ", hints obeyed" : ", hints not obeyed") << "\n";
    return rc == 0 ? 0 : 1;
}
