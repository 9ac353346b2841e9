/* SPDX-License-Identifier: MIT */
#pragma once
#include <stdbool.h>
#include "common/err.h"

/* end - the words for how a session ended, and what to do about it (ends.def). Pure; any thread. */
enum end_who { END_BY_NOBODY, END_BY_AGENT, END_BY_MASTER, END_BY_NETWORK, END_BY_OPERATOR };

enum end {
    END_NONE, /* it has not ended */
#define END(code, who, close, text, fix) END_##code,
#include "proto/ends.def"
#undef END
    END_COUNT
};

const char *end_word(enum end e); /* these four: NULL for END_NONE */
const char *end_text(enum end e);
const char *end_fix(enum end e);
const char *end_who_word(enum end e);
int end_close_code(enum end e);                               /* 0: no close frame says so */
MUST_USE enum err end_parse(const char *word, enum end *out); /* ERR_NOT_FOUND */

/* What a close frame of the master's says. END_agent_closed for codes that it does not send. */
enum end end_of_close(int code);
/* What one of the agent's says, to the master. */
enum end end_of_agent_close(int code);
/* Without a close frame: an errno of the socket, 0 = it ended with FIN. */
enum end end_of_errno(int errnum);
/* A proxy between that gives up makes sessions end like this. */
bool end_may_be_proxy(enum end e);
