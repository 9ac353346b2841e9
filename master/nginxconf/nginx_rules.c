/* SPDX-License-Identifier: MIT */
#include "master/nginxconf/nginx_rules.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include "common/human.h"
#include "master/nginxconf/nginx_value.h"
#include "proto/limits.h"

/* nginx's own values where nothing is said (1.22), and ours. */
#define DFLT_TIMEOUT     "60s"
#define DFLT_CONNECTIONS "512"
#define DFLT_BODY        "1m"
#define SILENT_MS        60000       /* wanted on /ws, where nothing comes or goes, … */
#define STALLED_MS       30000       /* … and where an agent takes nothing */
#define LONG_MS          (5 * 60000) /* beyond it a time-out only hides what is dead */
#define ANSWER_MS        60000       /* the longest answer of the API */
#define FEW_CONNECTIONS  1024        /* what packages come with, or less: 512 agents a worker */
#define LEAST_BODY       (64 << 20)  /* a hundred thousand targets and more */

static bool says(const struct nginx_node *place, const char *directive, const char *value,
                 const char *dflt)
{
    return strcasecmp(nginx_argument(nginx_effective(place, directive), dflt), value) == 0;
}

/* Where the directive stands, or else the place that lacks it. */
static const struct nginx_node *spot(const struct nginx_node *place, const char *directive)
{
    const struct nginx_node *n = nginx_effective(place, directive);
    return n != NULL ? n : place;
}

static const char *is_default(const struct nginx_node *place, const char *directive)
{
    return nginx_effective(place, directive) != NULL ? "" : ", nginx's own value";
}

/* ---- the whole */

static bool is_fragment(const struct nginx_node *root)
{
    return nginx_own(root, "http") == NULL && nginx_own(root, "events") == NULL;
}

void rule_locations(struct judge *j, const struct nginx_node *root)
{
    const struct nginx_report *r = j->report;
    if (nginx_conf_unread(j->conf) > 0)
        judge_say(
            j, NGINX_NOTE, root,
            "%u includes are not in this text: 'nginx -T | sonde-master check-nginx -' judges "
            "all of it",
            nginx_conf_unread(j->conf));
    if (is_fragment(root))
        judge_say(j, NGINX_NOTE, root,
                  "a part of a configuration: worker_connections and worker_shutdown_timeout are "
                  "not in it");
    if (r->agents == 0)
        judge_say(j, NGINX_BAD, root, "nothing is passed on to the agents' port, %s",
                  j->master->agents);
    if (r->api == 0)
        judge_say(j, NGINX_WARN, root, "/api/v1 is not passed on to the API's port, %s",
                  j->master->api);
}

static bool connections_of(const struct nginx_node *root, int64_t *out,
                           const struct nginx_node **where)
{
    const struct nginx_node *events = nginx_own(root, "events");
    const struct nginx_node *n = events ? nginx_own(events, "worker_connections") : NULL;
    *where = n != NULL ? n : events != NULL ? events : root;
    return nginx_size(nginx_argument(n, DFLT_CONNECTIONS), out) == ERR_NONE;
}

void rule_worker_connections(struct judge *j, const struct nginx_node *root)
{
    const struct nginx_node *where;
    int64_t n;
    if (is_fragment(root) || !connections_of(root, &n, &where) || n > FEW_CONNECTIONS)
        return;
    judge_say(j, NGINX_WARN, where,
              "worker_connections %" PRId64 ": a worker carries %" PRId64 " agents at most", n,
              n / 2);
}

void rule_worker_files(struct judge *j, const struct nginx_node *root)
{
    const struct nginx_node *where, *limit = nginx_own(root, "worker_rlimit_nofile");
    int64_t n, files;
    if (is_fragment(root) || !connections_of(root, &n, &where))
        return;
    if (limit == NULL && n >= FEW_CONNECTIONS)
        judge_say(j, NGINX_WARN, where,
                  "worker_connections %" PRId64
                  " without worker_rlimit_nofile: the usual limit is 1,024 descriptors",
                  n);
    else if (limit != NULL && nginx_size(nginx_argument(limit, ""), &files) == ERR_NONE &&
             files < n)
        judge_say(j, NGINX_WARN, limit,
                  "worker_rlimit_nofile %" PRId64 " is under worker_connections, %" PRId64, files,
                  n);
}

void rule_worker_shutdown(struct judge *j, const struct nginx_node *root)
{
    if (!is_fragment(root) && nginx_own(root, "worker_shutdown_timeout") == NULL)
        judge_say(j, NGINX_WARN, root, "no worker_shutdown_timeout");
}

/* ---- agents: time-outs against the heartbeat's */

static void timeout(struct judge *j, const struct nginx_node *place, const char *directive,
                    int64_t wanted_ms)
{
    const struct nginx_node *where = spot(place, directive);
    const char *text = nginx_argument(nginx_effective(place, directive), DFLT_TIMEOUT);
    int64_t ms;
    if (nginx_time_ms(text, &ms) != ERR_NONE)
        judge_say(j, NGINX_BAD, where, "%s '%.64s' is no time", directive, text);
    else if (ms <= HEARTBEAT_MS)
        judge_say(j, NGINX_BAD, where, "%s %.64s is not even above one heartbeat (%d s)", directive,
                  text, HEARTBEAT_MS / 1000);
    else if (ms <= DEAD_MS)
        judge_say(j, NGINX_WARN, where, "%s %.64s is not above three heartbeats (%d s)", directive,
                  text, DEAD_MS / 1000);
    else if (ms > LONG_MS)
        judge_say(j, NGINX_WARN, where, "%s %.64s is far above the %" PRId64 " s that are wanted",
                  directive, text, wanted_ms / 1000);
    else if (ms < wanted_ms)
        judge_say(j, NGINX_NOTE, where, "%s %.64s is enough; %" PRId64 " s are wanted", directive,
                  text, wanted_ms / 1000);
}

void rule_send_timeout(struct judge *j, const struct nginx_node *place)
{
    timeout(j, place, "send_timeout", STALLED_MS);
}

void rule_read_timeout(struct judge *j, const struct nginx_node *place)
{
    timeout(j, place, "proxy_read_timeout", SILENT_MS);
}

void rule_write_timeout(struct judge *j, const struct nginx_node *place)
{
    timeout(j, place, "proxy_send_timeout", SILENT_MS);
}

/* ---- agents: the upgrade */

void rule_http_version(struct judge *j, const struct nginx_node *place)
{
    if (!says(place, "proxy_http_version", "1.1", "1.0"))
        judge_say(j, NGINX_BAD, spot(place, "proxy_http_version"), "proxy_http_version is %.32s",
                  nginx_argument(nginx_effective(place, "proxy_http_version"), "1.0"));
}

static const char *value_of(const struct nginx_node *header)
{
    return header != NULL ? header->words[2] : "";
}

void rule_upgrade(struct judge *j, const struct nginx_node *place)
{
    const struct nginx_node *upgrade = nginx_header(place, "Upgrade");
    const struct nginx_node *connection = nginx_header(place, "Connection");
    bool upgrades = strcasecmp(value_of(upgrade), "$http_upgrade") == 0 ||
                    strcasecmp(value_of(upgrade), "websocket") == 0;
    bool connects =
        value_of(connection)[0] == '$' || strcasecmp(value_of(connection), "upgrade") == 0;
    if (!upgrades)
        judge_say(j, NGINX_BAD, upgrade ? upgrade : place, "Upgrade is %s%.64s",
                  upgrade ? "set to " : "not passed on", value_of(upgrade));
    if (!connects)
        judge_say(j, NGINX_BAD, connection ? connection : place, "Connection is %s%.64s",
                  connection ? "set to " : "not passed on", value_of(connection));
}

void rule_headers(struct judge *j, const struct nginx_node *place)
{
    static const struct {
        const char *name, *variable;
    } needed[] = {
        {"Authorization", "$http_authorization"},
        {"Sec-WebSocket-Key", "$http_sec_websocket_key"},
        {"Sec-WebSocket-Version", "$http_sec_websocket_version"},
        {"Sec-WebSocket-Protocol", "$http_sec_websocket_protocol"},
    };
    bool passed = says(place, "proxy_pass_request_headers", "on", "on");
    for (size_t i = 0; i < ARRAY_LEN(needed); i++) {
        const struct nginx_node *h = nginx_header(place, needed[i].name);
        if (h == NULL ? passed : strcasecmp(h->words[2], needed[i].variable) == 0)
            continue;
        judge_say(j, NGINX_BAD, h ? h : place, "%s is %s%.64s", needed[i].name,
                  h ? "set to " : "not passed on", value_of(h));
    }
}

/* With a path behind its target, proxy_pass puts that where the location's was. */
void rule_path(struct judge *j, const struct nginx_node *place)
{
    static const char wanted[] = "/ws";
    const char *target = place_target(place), *uri = strchr(target, '/');
    const char *path = place_path(place);
    size_t n = strlen(path);
    char mapped[URI_MAX];
    if (strncmp(target, "unix:", 5) == 0) {
        const char *colon = strchr(target + 5, ':');
        uri = colon != NULL ? colon + 1 : NULL;
    }
    if (uri == NULL || uri[0] == '\0' || strchr(uri, '$') != NULL || !place_is_prefix(place))
        return;
    snprintf(mapped, sizeof(mapped), "%s%s", uri,
             strncmp(wanted, path, n) == 0 ? wanted + (n < sizeof(wanted) ? n : 0) : "");
    if (strcmp(mapped, wanted) != 0)
        judge_say(j, NGINX_BAD, nginx_own(place, "proxy_pass"),
                  "an agent's /ws becomes %.64s at the master", mapped);
}

void rule_keepalive(struct judge *j, const struct nginx_node *place)
{
    if (!says(place, "proxy_socket_keepalive", "on", "off"))
        judge_say(j, NGINX_WARN, spot(place, "proxy_socket_keepalive"),
                  "proxy_socket_keepalive is off%s", is_default(place, "proxy_socket_keepalive"));
}

void rule_stream(struct judge *j, const struct nginx_node *place)
{
    if (!says(place, "proxy_buffering", "off", "on"))
        judge_say(j, NGINX_NOTE, spot(place, "proxy_buffering"), "proxy_buffering is on%s",
                  is_default(place, "proxy_buffering"));
}

/* ---- the API */

void rule_body_size(struct judge *j, const struct nginx_node *place)
{
    const struct nginx_node *where = spot(place, "client_max_body_size");
    const char *text = nginx_argument(nginx_effective(place, "client_max_body_size"), DFLT_BODY);
    char most[HUMAN_MAX];
    int64_t bytes;
    if (nginx_size(text, &bytes) != ERR_NONE)
        judge_say(j, NGINX_BAD, where, "client_max_body_size '%.64s' is no size", text);
    else if (bytes != 0 && bytes < LEAST_BODY && bytes < j->master->body_max)
        judge_say(j, NGINX_WARN, where,
                  "client_max_body_size is %.64s%s, and the master takes uploads of %s", text,
                  is_default(place, "client_max_body_size"),
                  human_bytes((uint64_t)j->master->body_max, most));
}

void rule_upload(struct judge *j, const struct nginx_node *place)
{
    if (!says(place, "proxy_request_buffering", "off", "on"))
        judge_say(j, NGINX_WARN, spot(place, "proxy_request_buffering"),
                  "proxy_request_buffering is on%s", is_default(place, "proxy_request_buffering"));
    else if (!says(place, "proxy_http_version", "1.1", "1.0"))
        judge_say(j, NGINX_WARN, spot(place, "proxy_http_version"),
                  "proxy_http_version is 1.0: an upload in chunks is buffered all the same");
}

void rule_answers(struct judge *j, const struct nginx_node *place)
{
    if (!says(place, "proxy_buffering", "off", "on"))
        judge_say(j, NGINX_WARN, spot(place, "proxy_buffering"), "proxy_buffering is on%s",
                  is_default(place, "proxy_buffering"));
}

void rule_longest_answer(struct judge *j, const struct nginx_node *place)
{
    const char *text = nginx_argument(nginx_effective(place, "proxy_read_timeout"), DFLT_TIMEOUT);
    int64_t ms;
    if (nginx_time_ms(text, &ms) != ERR_NONE)
        judge_say(j, NGINX_BAD, spot(place, "proxy_read_timeout"),
                  "proxy_read_timeout '%.64s' is no time", text);
    else if (ms <= ANSWER_MS)
        judge_say(j, NGINX_WARN, spot(place, "proxy_read_timeout"),
                  "proxy_read_timeout is %.64s%s: not above the longest answer (%d s)", text,
                  is_default(place, "proxy_read_timeout"), ANSWER_MS / 1000);
}

void rule_reuse(struct judge *j, const struct nginx_node *place)
{
    const struct nginx_node *up = place_upstream(j, place);
    const struct nginx_node *connection = nginx_header(place, "Connection");
    if (up == NULL || nginx_own(up, "keepalive") == NULL)
        judge_say(j, NGINX_WARN, up ? up : nginx_own(place, "proxy_pass"),
                  up ? "the upstream has no keepalive"
                     : "it is passed on to an address, and not to an upstream with keepalive");
    else if (!says(place, "proxy_http_version", "1.1", "1.0") || connection == NULL ||
             strcasecmp(connection->words[2], "close") == 0)
        judge_say(
            j, NGINX_WARN, place,
            "the upstream's keepalive is not used: it needs HTTP/1.1 and an empty Connection");
}

void rule_forwarded_for(struct judge *j, const struct nginx_node *place)
{
    const struct nginx_node *h = nginx_header(place, "X-Forwarded-For");
    if (h == NULL || strstr(h->words[2], "$proxy_add_x_forwarded_for") != NULL ||
        strstr(h->words[2], "$http_x_forwarded_for") != NULL)
        judge_say(j, NGINX_WARN, h ? h : place, "X-Forwarded-For %s",
                  h ? "is appended to, or passed on" : "goes through as it came");
}
