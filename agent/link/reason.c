/* SPDX-License-Identifier: MIT */
#include "agent/link/reason.h"
#include "common/require.h"
#include "proto/limits.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

const char *reason_http_problem(int status, char *buf, size_t size)
{
    switch (status) {
    case 401:
        return "the master refused the token (401)";
    case 403:
        return "the master does not let this token connect as an agent (403)";
    case 404:
        return "there is no Sonde master at this path (404)";
    }
    snprintf(buf, size, "the master, or a proxy before it, answered HTTP %d instead of the upgrade",
             status);
    return buf;
}

const char *reason_http_fix(int status)
{
    if (status == 401 || status == 403)
        return "put a token of scope agent into the token file: sonde-master token add --scope "
               "agent";
    if (status == 404)
        return "check the path of --master, usually /ws";
    if (status == 502 || status == 503 || status == 504)
        return "the proxy is there but the master is not: start it, or wait";
    return "check --master and the proxy before it";
}

const char *reason_error_fix(const char *what)
{
    if (strstr(what, "SSL") || strstr(what, "tls") || strstr(what, "cert"))
        return "check the master's certificate, its name, and --ca-file";
    if (strstr(what, strerror(ECONNREFUSED)))
        return "nothing listens there: start the master or check --master";
    return "check that the master runs and can be reached";
}

const char *reason_close(uint16_t code)
{
    static const struct {
        uint16_t code;
        const char *text;
    } words[] = {
        {CLOSE_NORMAL, "normal"},
        {CLOSE_GOING_AWAY, "the master goes away"},
        {CLOSE_PROTOCOL, "frames that WebSocket forbids"},
        {CLOSE_POLICY, "refused: malformed, out of order or not allowed"},
        {CLOSE_TOO_BIG, "a message over the limit"},
        {CLOSE_REPLACED, "this agent connected anew"},
        {CLOSE_REVOKED, "the token was revoked: put a new one into the token file"},
        {CLOSE_OVER_CREDIT, "more tasks than the credit allowed"},
        {CLOSE_SILENT, "the other side was silent for too long"},
        {CLOSE_HELLO_TIMEOUT, "no HELLO in time"},
        {CLOSE_VERSION, "the protocol versions do not fit: update the older side"},
        {CLOSE_CLONE, "two agents use this name: give each its own --name"},
        {CLOSE_WRITE_STALLED, "this agent did not read for too long"},
        {CLOSE_KICKED, "an operator cut this agent off"},
    };
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (words[i].code == code)
            return words[i].text;
    return code ? "an unknown code" : "the connection was cut without a close frame";
}
