/* SPDX-License-Identifier: MIT */
#include "agent/link/reason.h"
#include "common/require.h"
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

/* A code that no master sends is a proxy's. */
enum end reason_end(uint16_t code, bool own)
{
    enum end e = own ? end_of_agent_close(code) : end_of_close(code);
    return code == 0 || (!own && e == END_agent_closed) ? END_connection_lost : e;
}
