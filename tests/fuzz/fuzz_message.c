/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>
#include "common/mem.h"
#include "common/require.h"
#include "common/utf8.h"
#include "proto/message.h"
#include "proto/result.h"
#include "proto/target.h"
#include "proto/ticket.h"

/*
 * Bytes of a peer: split into lines, decoded, and what a message carries is read as its receiver
 * would. A message that is taken has bounded strings; one that is refused says why.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use_task(const struct msg_task *m)
{
    struct target *t = NULL;
    struct target_problem p;
    REQUIRE(m->spec_len > 1 && m->spec_text[0] == '{' && m->spec_text[m->spec_len - 1] == '}');
    if (target_from_json(m->spec, NULL, &t, &p) != ERR_NONE)
        REQUIRE(utf8_valid(p.detail, strlen(p.detail)));
    target_destroy(&t);
}

static void use_result(const struct msg_result *m)
{
    struct result_head head;
    struct lease_no lease;
    char why[256];
    REQUIRE(m->record_len > 1 && m->record_text[0] == '{');
    if (result_head_parse(m->record, &head, why, sizeof(why)) == ERR_NONE)
        REQUIRE((head.outcome == OUTCOME_OK) == (head.cause[0] == '\0'));
    if (ticket_peek(m->ticket, &lease) == ERR_NONE)
        REQUIRE(strlen(m->ticket) < TICKET_TEXT_MAX);
}

static void use(const struct message *m)
{
    if (m->type == MSG_TASK)
        use_task(&m->task);
    else if (m->type == MSG_RESULT)
        use_result(&m->result);
    else if (m->type == MSG_HELLO)
        REQUIRE(agent_name_valid(m->hello.agent) && m->hello.n_tags <= TAGS_MAX);
    else if (m->type == MSG_RESULTS_ACK)
        REQUIRE(m->results_ack.n <= ACK_TASKS_MAX);
    else if (m->type == MSG_CANCEL)
        REQUIRE(m->cancel.n <= ACK_TASKS_MAX);
}

static void decode_lines(struct line_buf *l)
{
    size_t len;
    const char *line;
    while ((line = line_buf_next(l, &len)) != NULL) {
        struct message m;
        char why[256] = "";
        char *copy = mem_dup(line, len); /* exact, so that a sanitizer sees one byte too many */
        if (message_decode(copy, len, &m, why, sizeof(why)) == ERR_NONE) {
            use(&m);
            message_fini(&m);
        } else {
            REQUIRE(why[0] != '\0');
        }
        free(copy);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct line_buf l;
    size_t half = size / 2;
    line_buf_init(&l);
    if (line_buf_feed(&l, (const char *)data, half) == ERR_NONE) {
        decode_lines(&l);
        if (line_buf_feed(&l, (const char *)data + half, size - half) == ERR_NONE &&
            line_buf_feed(&l, "\n", 1) == ERR_NONE)
            decode_lines(&l);
    }
    line_buf_fini(&l);
    return 0;
}
