/* SPDX-License-Identifier: MIT */
#include "common/err.h"

const char *err_text(enum err e)
{
    switch (e) {
    case ERR_NONE:
        return "success";
#define X(name, value, text)                                                                       \
    case name:                                                                                     \
        return text;
        ERR_TABLE(X)
#undef X
    }
    return "unknown error";
}
