/* SPDX-License-Identifier: MIT */
#include "common/json.h"
#include "master/ctl/client.h"
#include "common/node.h"
#include <curl/curl.h>
#include <stdlib.h>

/* What an answer, or none, means for the person at the keyboard. */

int client_exit_code(long status)
{
    if (status >= 200 && status < 300)
        return EXIT_ALL_OK;
    switch (status) {
    case 401:
    case 403:
        return EXIT_AUTH;
    case 429:
    case 502:
    case 503:
        return EXIT_UNREACHABLE;
    case 408:
    case 504:
        return EXIT_DEADLINE;
    default:
        return status >= 400 && status < 500 ? EXIT_USAGE : EXIT_SOME_FAILED;
    }
}

bool client_is_away(const struct client_reply *r)
{
    if (r->curl != CURLE_OK)
        return !r->interrupted && r->curl != CURLE_PEER_FAILED_VERIFICATION &&
               r->curl != CURLE_WRITE_ERROR && r->curl != CURLE_URL_MALFORMAT;
    return r->status == 429 || (r->status >= 502 && r->status <= 504);
}

/* No whole answer came. */
static int no_answer(const struct client *cl, const struct client_reply *r)
{
    const char *url = client_url(cl), *os = r->os_errno ? strerror((int)r->os_errno) : r->why;
    switch (r->curl) {
    case CURLE_COULDNT_CONNECT:
        return ctl_fail(EXIT_UNREACHABLE,
                        "no master answers at %s (%s); start sonde-master there, or say with --url "
                        "or SONDE_URL where it is",
                        url, os);
    case CURLE_COULDNT_RESOLVE_HOST:
        return ctl_fail(EXIT_UNREACHABLE, "the host of %s is not known; correct --url or SONDE_URL",
                        url);
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
        return ctl_fail(EXIT_UNREACHABLE,
                        "the certificate of %s is not accepted (%s); give the CA that signed it "
                        "with --ca-file or SONDE_CA_FILE",
                        url, r->why);
    case CURLE_URL_MALFORMAT:
        return ctl_fail(EXIT_USAGE, "'%s' is not a URL (%s); correct --url or SONDE_URL", url,
                        r->why);
    case CURLE_WRITE_ERROR:
        if (r->out_errno != 0)
            return ctl_unwritten(r->out_errno);
        return ctl_fail(EXIT_SOME_FAILED, "the answer of the master is too large; ask for less");
    case CURLE_OPERATION_TIMEDOUT:
        return ctl_fail(EXIT_UNREACHABLE,
                        "the master at %s does not answer in time; look at %s/healthz and its log",
                        url, url);
    default:
        return ctl_fail(EXIT_UNREACHABLE, "the connection to the master at %s broke: %s", url,
                        r->why);
    }
}

static int no_access(const struct client *cl, long status, const char *detail)
{
    bool given = getenv("SONDE_TOKEN") && *getenv("SONDE_TOKEN");
    if (status == 403)
        return ctl_fail(EXIT_AUTH, "the token may not do this: %s",
                        detail ? detail : "its scope does not allow it");
    if (!client_has_token(cl))
        return ctl_fail(EXIT_AUTH,
                        "no token was given; set SONDE_TOKEN, or SONDE_TOKEN_FILE to the "
                        "file that holds it (the master wrote one to DATA/admin.token)");
    return ctl_fail(EXIT_AUTH,
                    "the master at %s does not know this token; set %s to one that is valid "
                    "('sonde-master token add' makes one)",
                    client_url(cl), given ? "SONDE_TOKEN" : "SONDE_TOKEN_FILE (or --token-file)");
}

static void print_errors(const struct json_node *problem)
{
    for (const struct json_node *e = node_first(problem, "errors"); e; e = json_next(e)) {
        const char *detail = node_str(e, "detail");
        ctl_say("  line %.0f: %s", node_num(e, "line", 0), detail ? detail : "is not valid");
    }
}

int client_verdict(const struct client *cl, const struct client_reply *r)
{
    struct json_doc *d = NULL;
    int code = client_exit_code(r->status);
    if (r->interrupted)
        return EXIT_INTERRUPTED;
    if (r->curl != CURLE_OK)
        return no_answer(cl, r);
    if (code == EXIT_ALL_OK)
        return code;
    if (r->is_json && json_parse(r->body.data, r->body.len, &d, NULL, 0) != ERR_NONE)
        d = NULL;
    const struct json_node *problem = d ? json_root(d) : NULL;
    const char *detail = node_str(problem, "detail");
    if (r->status == 401 || r->status == 403)
        no_access(cl, r->status, detail);
    else if (detail)
        ctl_fail(code, "%s", detail);
    else
        ctl_fail(code,
                 "%s answered with status %ld, but not as a Sonde master does; is --url or "
                 "SONDE_URL right, and does the master behind it run?",
                 client_url(cl), r->status);
    print_errors(problem);
    json_free(&d);
    return code;
}
