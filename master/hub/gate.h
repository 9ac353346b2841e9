/* SPDX-License-Identifier: MIT */
#pragma once
#include "master/auth/tokens.h"

/*
 * gate - who may become a session: the verdict on one request on the agents' port.
 *
 * Pure. Only a GET /ws that upgrades to WebSocket with the subprotocol sonde.v1 and a bearer token
 * of scope agent passes; all else gets one HTTP error, and the connection ends before a body is
 * read. Whether there is a place for one more agent is not asked here: who it is, and so whether it
 * comes to take its own over, only its HELLO says.
 */
enum gate_verdict {
    GATE_PASS,
    GATE_PATH,
    GATE_NOT_UPGRADE,
    GATE_BAD_UPGRADE,
    GATE_NO_TOKEN,
    GATE_BAD_TOKEN,
    GATE_SCOPE,
    GATE_SUBPROTOCOL,
    GATE_DRAINING,
};
struct gate_request {
    bool get;            /* the method is GET */
    const char *path;    /* without its query */
    const char *upgrade; /* the header's value, "" = none */
    const char *authorization, *subprotocols;
    bool draining;
};
/* grant is set on GATE_PASS, its strings borrowed from the tokens until their next poll. */
enum gate_verdict gate_judge(const struct gate_request *q, const struct tokens *t,
                             struct token_grant *grant);

int gate_status(enum gate_verdict v);
const char *gate_sentence(enum gate_verdict v);
/* The whole HTTP answer to a refusal; its length. */
#define GATE_ANSWER_MAX 768
size_t gate_answer(enum gate_verdict v, char out[GATE_ANSWER_MAX]);
