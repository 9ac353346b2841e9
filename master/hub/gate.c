/* SPDX-License-Identifier: MIT */
#include "master/hub/gate.h"
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include "proto/limits.h"

#define WS_PATH "/ws"

struct refusal {
    int status;
    const char *phrase, *header, *sentence;
};
static const struct refusal refusals[] = {
    [GATE_PASS] = {101, "Switching Protocols", "", ""},
    [GATE_PATH] = {404, "Not Found", "",
                   "This port is for agents: they connect to /ws; the HTTP API is on the master's "
                   "other port (--listen)."},
    [GATE_NOT_UPGRADE] = {426, "Upgrade Required",
                          "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
                          "/ws speaks WebSocket only: connect with an agent, and let a proxy pass "
                          "the Upgrade header on."},
    [GATE_BAD_UPGRADE] = {400, "Bad Request", "",
                          "/ws can be upgraded to websocket only, by a GET."},
    [GATE_NO_TOKEN] = {401, "Unauthorized", "WWW-Authenticate: Bearer realm=\"sonde agents\"\r\n",
                       "A token is missing: send 'Authorization: Bearer TOKEN' with a token of "
                       "scope agent."},
    [GATE_BAD_TOKEN] = {401, "Unauthorized",
                        "WWW-Authenticate: Bearer realm=\"sonde agents\", "
                        "error=\"invalid_token\"\r\n",
                        "This token is unknown or revoked: make one with 'sonde-master token add "
                        "--scope agent'."},
    [GATE_SCOPE] = {403, "Forbidden", "",
                    "This token is not of scope agent: make one with 'sonde-master token add "
                    "--scope agent'."},
    [GATE_SUBPROTOCOL] = {400, "Bad Request", "",
                          "The WebSocket subprotocol must be sonde.v1: send "
                          "'Sec-WebSocket-Protocol: sonde.v1'."},
    [GATE_DRAINING] = {503, "Service Unavailable", "Retry-After: 2\r\n", "The master stops."},
};

static const struct refusal *refusal_of(enum gate_verdict v)
{
    REQUIRE(v >= 0 && v < ARRAY_LEN(refusals));
    return &refusals[v];
}

/* The words of a comma-separated header. */
static bool has_word(const char *list, const char *word)
{
    size_t len = strlen(word);
    for (const char *p = list; *p != '\0';) {
        p += strspn(p, " \t,");
        size_t n = strcspn(p, " \t,");
        if (n == len && strncmp(p, word, n) == 0)
            return true;
        p += n;
    }
    return false;
}

/* NULL: no bearer token there. */
static const char *bearer(const char *authorization, size_t *len)
{
    static const char scheme[] = "Bearer ";
    size_t n = sizeof(scheme) - 1;
    if (strncasecmp(authorization, scheme, n) != 0)
        return NULL;
    const char *token = authorization + n + strspn(authorization + n, " ");
    *len = strcspn(token, " \t");
    return *len == 0 || token[*len + strspn(token + *len, " \t")] != '\0' ? NULL : token;
}

static enum gate_verdict judge_token(const char *authorization, const struct tokens *t,
                                     struct token_grant *grant)
{
    size_t len = 0;
    const char *token = bearer(authorization, &len);
    struct token_grant g;
    if (token == NULL)
        return GATE_NO_TOKEN;
    if (!tokens_check(t, token, len, &g))
        return GATE_BAD_TOKEN;
    if (!token_grant_allows(&g, SCOPE_AGENT))
        return GATE_SCOPE;
    *grant = g;
    return GATE_PASS;
}

enum gate_verdict gate_judge(const struct gate_request *q, const struct tokens *t,
                             struct token_grant *grant)
{
    struct token_grant g;
    if (strcmp(q->path, WS_PATH) != 0)
        return GATE_PATH;
    if (q->upgrade[0] == '\0')
        return GATE_NOT_UPGRADE;
    if (!q->get || strcasecmp(q->upgrade, "websocket") != 0)
        return GATE_BAD_UPGRADE;
    enum gate_verdict v = judge_token(q->authorization, t, &g);
    if (v != GATE_PASS)
        return v;
    if (!has_word(q->subprotocols, PROTO_SUBPROTOCOL))
        return GATE_SUBPROTOCOL;
    if (q->draining)
        return GATE_DRAINING;
    *grant = g;
    return GATE_PASS;
}

int gate_status(enum gate_verdict v)
{
    return refusal_of(v)->status;
}

const char *gate_sentence(enum gate_verdict v)
{
    return refusal_of(v)->sentence;
}

size_t gate_answer(enum gate_verdict v, char out[GATE_ANSWER_MAX])
{
    const struct refusal *r = refusal_of(v);
    REQUIRE(v != GATE_PASS);
    int n = snprintf(out, GATE_ANSWER_MAX,
                     "HTTP/1.1 %d %s\r\n"
                     "Content-Type: text/plain; charset=utf-8\r\n"
                     "Content-Length: %zu\r\n"
                     "Connection: close\r\n"
                     "%s\r\n%s\n",
                     r->status, r->phrase, strlen(r->sentence) + 1, r->header, r->sentence);
    REQUIRE(n > 0 && n < GATE_ANSWER_MAX);
    return (size_t)n;
}
