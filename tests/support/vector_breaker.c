/* SPDX-License-Identifier: MIT */
/* What a row does to its breaker beside calling: sets a state, other rules, saves and restores, asks why. */
#include "support/vector_config.h"
#include "support/vector_value.h"
#include "support/vector_world.h"

#include <stdio.h>
#include <string.h>

static bool expect_code(struct vector_world *w, int rc, const char *expected) {
    w->checks += expected != NULL;
    if (expected == NULL) expected = hf_errname(0);
    if (strcmp(hf_errname(rc), expected) == 0) return true;
    return vector_fault(w, "expected %s, found %s", expected, hf_errname(rc));
}

bool vector_breaker_set(struct vector_world *w, const char *arguments) {
    char text[64];
    hf_breaker_state state;
    if (strlen(arguments) >= sizeof text) return vector_fault(w, "syntax: expected a state or its number");
    memcpy(text, arguments, strlen(arguments) + 1);
    char *equals = strchr(text, '=');
    if (equals != NULL) *equals++ = '\0';
    int64_t number;
    if (!vector_is_state(text, &state)) {
        if (!vector_number(text, &number)) return vector_fault(w, "syntax: expected a state or its number");
        state = (hf_breaker_state)number; /* states that nobody has */
    }
    if (w->breaker == NULL) return vector_fault(w, "there is no breaker");
    return expect_code(w, hf_breaker_set(w->breaker, state, w->now), equals);
}

bool vector_breaker_reconfigure(struct vector_world *w, char *keys) {
    union vector_config config;
    const char *field = NULL;
    hf_error error;
    if (w->breaker == NULL) return vector_fault(w, "there is no breaker");
    if (!vector_config_init(w, "breaker", &config)) return false;
    if (!vector_config_apply(w, "breaker", keys, &config, &field)) return false;
    if (hf_breaker_reconfigure(w->breaker, &config.breaker, &error) == 0) return true;
    return vector_fault(w, "%s", hf_error_text(&error));
}

bool vector_breaker_save(struct vector_world *w) {
    if (w->breaker == NULL) return vector_fault(w, "there is no breaker");
    hf_breaker_save(w->breaker, &w->saved, w->now);
    w->has_saved = true;
    return true;
}

/* "ELAPSED": into the breaker that the world has now, which may be another. */
bool vector_breaker_restore(struct vector_world *w, const char *elapsed) {
    int64_t elapsed_ns;
    if (w->breaker == NULL || !w->has_saved) return vector_fault(w, "syntax: nothing was saved");
    if (!vector_duration(elapsed, &elapsed_ns)) return vector_fault(w, "syntax: expected restore:DURATION");
    return expect_code(w, hf_breaker_restore(w->breaker, &w->saved, elapsed_ns, w->now), NULL);
}

bool vector_breaker_says(struct vector_world *w, const char *part) {
    hf_breaker_explanation why = {.struct_size = (uint32_t)sizeof why};
    if (w->breaker == NULL) return vector_fault(w, "there is no breaker");
    w->checks++;
    if (hf_breaker_explain(w->breaker, &why, w->now) != 0) return vector_fault(w, "not explained");
    if (strstr(why.text, part) != NULL) return true;
    return vector_fault(w, "the breaker says: %s", why.text);
}
