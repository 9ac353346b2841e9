/* SPDX-License-Identifier: MIT */
#include "master/ctl/result_list.h"
#include "proto/cause.h"
#include <string.h>

#define PHASE(text, member, dropped)                                                               \
    {                                                                                              \
        {.title = text, .right = true, .drop = dropped}, "timings." member, CELL_MS                \
    }

/* Eighty columns have room for the phases when who measured and the outcome, which the answer tells
 * too, go. */
static const struct list_column columns[] = {
    {{.title = "OUTCOME", .drop = 6}, "outcome", CELL_TEXT},
    {{.title = "ANSWER"}, NULL, CELL_ANSWER},
    {{.title = "TARGET", .least = 20}, "target", CELL_TEXT},
    {{.title = "AGENT", .drop = 7}, "agent", CELL_TEXT},
    PHASE("DNS", "dns_ms", 3),
    PHASE("CONN", "connect_ms", 2),
    PHASE("TLS", "tls_ms", 4),
    PHASE("WAIT", "wait_ms", 1),
    PHASE("LOAD", "download_ms", 5),
    PHASE("TOTAL MS", "total_ms", 0),
};

enum table_tone result_tone(const struct json_node *result)
{
    enum outcome o;
    const char *word = node_str(result, "outcome");
    if (!word || outcome_parse(word, &o) != ERR_NONE)
        return TONE_PLAIN;
    return o == OUTCOME_OK ? TONE_GOOD : o == OUTCOME_FAILED ? TONE_BAD : TONE_WARN;
}

void result_reason(const struct json_node *result, struct strbuf *out)
{
    enum cause c;
    const char *word = node_str(result, "cause"), *message = node_str(result, "message");
    const char *sentence = word && cause_parse(word, &c) == ERR_NONE ? cause_text(c) : NULL;
    bool said = sentence && message && strstr(message, sentence);
    if (sentence && !said)
        strbuf_puts(out, sentence);
    if (message) {
        strbuf_puts(out, out->len > 0 ? ": " : "");
        strbuf_puts(out, message);
    }
}

const struct list_kind result_list = {.columns = columns,
                                      .n_columns = ARRAY_LEN(columns),
                                      .toned = 1,
                                      .tone = result_tone,
                                      .note = result_reason};
