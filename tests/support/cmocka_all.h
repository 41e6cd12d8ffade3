/* SPDX-License-Identifier: MIT */
#ifndef HF_TESTS_SUPPORT_CMOCKA_ALL_H
#define HF_TESTS_SUPPORT_CMOCKA_ALL_H

/* cmocka wants these before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#endif
