/* SPDX-License-Identifier: MIT */
#include "proto/end.h"
#include <errno.h>
#include <string.h>
#include "proto/limits.h"

struct end_row {
    const char *word, *text, *fix;
    enum end_who who;
    int close;
};

static const struct end_row rows[END_COUNT] = {
#define END(code, at, close_code, sentence, what_to_do)                                            \
    [END_##code] = {#code, sentence, what_to_do, END_BY_##at, close_code},
#include "proto/ends.def"
#undef END
};

static const struct end_row *row_of(enum end e)
{
    REQUIRE((unsigned)e < END_COUNT);
    return &rows[e];
}

const char *end_word(enum end e)
{
    return row_of(e)->word;
}

const char *end_text(enum end e)
{
    return row_of(e)->text;
}

const char *end_fix(enum end e)
{
    return row_of(e)->fix;
}

const char *end_who_word(enum end e)
{
    static const char *const words[] = {
        [END_BY_NOBODY] = "nobody",   [END_BY_AGENT] = "agent",       [END_BY_MASTER] = "master",
        [END_BY_NETWORK] = "network", [END_BY_OPERATOR] = "operator",
    };
    return e == END_NONE ? NULL : words[row_of(e)->who];
}

int end_close_code(enum end e)
{
    return row_of(e)->close;
}

enum err end_parse(const char *word, enum end *out)
{
    for (int e = END_NONE + 1; e < END_COUNT; e++) {
        if (strcmp(rows[e].word, word) != 0)
            continue;
        *out = (enum end)e;
        return ERR_NONE;
    }
    return ERR_NOT_FOUND;
}

enum end end_of_close(int code)
{
    for (int e = END_NONE + 1; e < END_COUNT; e++)
        if (code != 0 && rows[e].close == code)
            return (enum end)e;
    return END_agent_closed;
}

/* The same code means another thing from the other side: who complains is not who is at fault. */
enum end end_of_agent_close(int code)
{
    switch (code) {
    case CLOSE_NORMAL:
        return END_bye;
    case CLOSE_OVER_CREDIT:
        return END_over_credit;
    case CLOSE_SILENT:
        return END_master_silent;
    case CLOSE_VERSION:
        return END_version;
    default:
        return END_agent_closed;
    }
}

enum end end_of_errno(int errnum)
{
    switch (errnum) {
    case 0:
        return END_connection_closed;
    case ECONNRESET:
    case EPIPE:
        return END_connection_reset;
    case ETIMEDOUT:
        return END_connection_timeout;
    case EHOSTUNREACH:
    case ENETUNREACH:
    case ENETDOWN:
    case EHOSTDOWN:
        return END_unreachable;
    default:
        return END_connection_lost;
    }
}

bool end_may_be_proxy(enum end e)
{
    return e == END_connection_closed || e == END_connection_reset || e == END_connection_lost;
}
