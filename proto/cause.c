/* SPDX-License-Identifier: MIT */
#include "proto/cause.h"
#include <string.h>

struct cause_row {
    const char *word, *text;
    enum cause_where where;
    enum outcome outcome;
};

static const struct cause_row rows[CAUSE_COUNT] = {
#define CAUSE(code, at, ends, sentence)                                                            \
    [CAUSE_##code] = {#code, sentence, WHERE_##at, OUTCOME_##ends},
#include "proto/causes.def"
#undef CAUSE
};

static const char *const outcome_words[OUTCOME_COUNT] = {
    [OUTCOME_OK] = "ok",           [OUTCOME_FAILED] = "failed",
    [OUTCOME_REFUSED] = "refused", [OUTCOME_UNDETERMINED] = "undetermined",
    [OUTCOME_EXPIRED] = "expired", [OUTCOME_CANCELLED] = "cancelled",
};

static const char *const where_words[] = {
    [WHERE_TARGET] = "target", [WHERE_RESOLVER] = "resolver", [WHERE_AGENT] = "agent",
    [WHERE_MASTER] = "master", [WHERE_POLICY] = "policy",     [WHERE_USER] = "user",
    [WHERE_PROXY] = "proxy",
};

const char *outcome_word(enum outcome o)
{
    REQUIRE((unsigned)o < OUTCOME_COUNT);
    return outcome_words[o];
}

enum err outcome_parse(const char *word, enum outcome *out)
{
    for (unsigned i = 0; i < OUTCOME_COUNT; i++) {
        if (strcmp(word, outcome_words[i]) == 0) {
            *out = (enum outcome)i;
            return ERR_NONE;
        }
    }
    return ERR_NOT_FOUND;
}

const char *cause_word(enum cause c)
{
    REQUIRE((unsigned)c < CAUSE_COUNT);
    return rows[c].word;
}

const char *cause_text(enum cause c)
{
    REQUIRE((unsigned)c < CAUSE_COUNT);
    return rows[c].text;
}

enum outcome cause_outcome(enum cause c)
{
    REQUIRE((unsigned)c < CAUSE_COUNT);
    return c == CAUSE_NONE ? OUTCOME_OK : rows[c].outcome;
}

enum cause_where cause_where(enum cause c)
{
    REQUIRE(c > CAUSE_NONE && (unsigned)c < CAUSE_COUNT);
    return rows[c].where;
}

const char *cause_where_word(enum cause_where w)
{
    REQUIRE((size_t)w < ARRAY_LEN(where_words));
    return where_words[w];
}

enum err cause_parse(const char *word, enum cause *out)
{
    for (unsigned i = CAUSE_NONE + 1; i < CAUSE_COUNT; i++) {
        if (strcmp(word, rows[i].word) == 0) {
            *out = (enum cause)i;
            return ERR_NONE;
        }
    }
    return ERR_NOT_FOUND;
}
