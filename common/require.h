/* SPDX-License-Identifier: MIT */
#pragma once
#include <stdint.h>

/*
 * require - what must be true, checked in every build.
 *
 * For bugs only: what the world can cause (peer, disk, network, user) is an enum err. Any thread. A
 * failure prints file, line and expression to stderr and aborts.
 */
#define REQUIRE(cond)    ((cond) ? (void)0 : require_failed(__FILE__, __LINE__, __func__, #cond, 0))
#define UNREACHABLE(why) require_failed(__FILE__, __LINE__, __func__, "unreachable: " why, 0)

/* For pthread calls, which return the error number. */
#define PTOK(call)                                                                                 \
    do {                                                                                           \
        int ptok_ = (call);                                                                        \
        if (ptok_ != 0)                                                                            \
            require_failed(__FILE__, __LINE__, __func__, #call, ptok_);                            \
    } while (0)

#define ARRAY_LEN(a)                    (sizeof(a) / sizeof((a)[0]))
#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

_Noreturn void require_failed(const char *file, int line, const char *func, const char *expr,
                              int errnum);
