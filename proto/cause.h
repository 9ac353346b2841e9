/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/err.h"

/* cause - the words for how a task ended and whose fault it was (causes.def). Pure; any thread. */
enum outcome {
    OUTCOME_OK,
    OUTCOME_FAILED,
    OUTCOME_UNDETERMINED,
    OUTCOME_REFUSED,
    OUTCOME_EXPIRED,
    OUTCOME_CANCELLED
};
#define OUTCOME_COUNT 6

enum cause_where {
    WHERE_TARGET,
    WHERE_RESOLVER,
    WHERE_PROXY,
    WHERE_AGENT,
    WHERE_MASTER,
    WHERE_POLICY,
    WHERE_USER
};

enum cause {
    CAUSE_NONE,
#define CAUSE(code, where, outcome, text) CAUSE_##code,
#include "proto/causes.def"
#undef CAUSE
    CAUSE_COUNT
};

const char *outcome_word(enum outcome o); /* "ok", "failed", … */
MUST_USE enum err outcome_parse(const char *word, enum outcome *out);

const char *cause_word(enum cause c);       /* NULL for CAUSE_NONE */
const char *cause_text(enum cause c);       /* one sentence; NULL for CAUSE_NONE */
enum outcome cause_outcome(enum cause c);   /* OUTCOME_OK for CAUSE_NONE */
enum cause_where cause_where(enum cause c); /* c is not CAUSE_NONE */
const char *cause_where_word(enum cause_where w);
MUST_USE enum err cause_parse(const char *word, enum cause *out); /* ERR_NOT_FOUND */
