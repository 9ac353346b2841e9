/* SPDX-License-Identifier: MIT */
#include "common/require.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define REPORT_MAX 1024

/* One write(2) of a stack buffer: the heap and stdio may be what is broken. */
_Noreturn void require_failed(const char *file, int line, const char *func, const char *expr,
                              int errnum)
{
    char text[REPORT_MAX];
    const char *reason = errnum ? strerrordesc_np(errnum) : NULL;
    int n = snprintf(text, sizeof(text), "%s:%d: %s: requirement failed: %s%s%s\n", file, line,
                     func, expr, reason ? ": " : "", reason ? reason : "");
    if (n > 0) {
        size_t len = (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1;
        if (write(STDERR_FILENO, text, len) < 0)
            abort();
    }
    abort();
}
