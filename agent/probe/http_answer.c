/* SPDX-License-Identifier: MIT */
#include "agent/probe/http_impl.h"

#include <linux/tcp.h> /* glibc's tcp_info has no tcpi_bytes_received */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "common/mem.h"
#include "common/utf8.h"

#define HEADERS_BYTES_MAX  (256 * 1024) /* under libcurl's own 300 KB, so that the cause is ours */
#define KEPT_HEADERS_FIRST 16
#define KEPT_HEADERS_MAX   128
#define KEPT_HEADERS_BYTES (48 * 1024)
#define KEPT_NAME_BYTES    256
#define KEPT_VALUE_BYTES   8192
#define WIRE_LOOK_MS       10
/* Before an answer begins: certificates (libcurl's OpenSSL reads 100 KB of them), interim answers,
 * HTTP/2's own talk. (note_cut() tells the number.) */
#define WIRE_BEFORE_MAX (512 * 1024)

/* One that lies in another can keep libcurl busy for seconds with nothing to show, out of sight of
 * every bound: it is the outer one's output that explodes. Nobody honest stacks them. */
#define CODINGS_MAX 1

void http_answer_init(struct http_answer *a)
{
    *a = (struct http_answer){0};
    strbuf_init(&a->body, 1);
}

static void drop_headers(struct http_answer *a)
{
    for (unsigned i = 0; i < a->n_headers; i++) {
        free(a->headers[i].name);
        free(a->headers[i].value);
    }
    a->n_headers = 0;
    a->headers_cut = false;
    a->kept_header_bytes = 0;
    free(a->location);
    a->location = NULL;
    a->location_too_long = false;
    a->length[0] = '\0';
    a->codings = 0;
    a->refused = NULL;
    a->html = false;
    a->charset[0] = '\0';
}

void http_answer_fini(struct http_answer *a)
{
    uint8_t digest[SHA256_BYTES];
    drop_headers(a);
    free(a->headers);
    strbuf_fini(&a->body);
    if (a->sha)
        sha256_final(&a->sha, digest);
    a->headers = NULL;
    a->headers_room = 0;
}

bool http_is_redirect(int status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/* "HTTP/1.1 200 OK" begins a response; one before the final one was an interim (1xx). */
static void on_status_line(struct http_answer *a, const char *line, size_t n)
{
    char text[32];
    size_t take = n < sizeof(text) - 1 ? n : sizeof(text) - 1;
    memcpy(text, line, take);
    text[take] = '\0';
    drop_headers(a);
    a->in_block = true;
    const char *space = strchr(text, ' ');
    a->status = space ? (int)strtol(space, NULL, 10) : 0;
    size_t version = space ? (size_t)(space - text) - strlen("HTTP/") : 0;
    if (version > 0 && version < sizeof(a->version)) {
        memcpy(a->version, text + strlen("HTTP/"), version);
        a->version[version] = '\0';
    }
}

static bool contains_html(const char *value, size_t n)
{
    for (size_t i = 0; i + 4 <= n; i++)
        if (!strncasecmp(value + i, "html", 4))
            return true;
    return false;
}

static void keep_header(struct http_answer *a, const char *name, size_t name_len, const char *value,
                        size_t value_len)
{
    size_t bytes = name_len + value_len;
    if (a->n_headers == KEPT_HEADERS_MAX || a->kept_header_bytes + bytes > KEPT_HEADERS_BYTES) {
        a->headers_cut = true;
        return;
    }
    if (a->n_headers == a->headers_room) {
        a->headers_room = a->headers_room ? 2 * a->headers_room : KEPT_HEADERS_FIRST;
        a->headers = mem_realloc(a->headers, a->headers_room * sizeof(*a->headers));
    }
    a->kept_header_bytes += bytes;
    a->headers[a->n_headers++] = (struct result_header){
        .name = utf8_sanitized(name, name_len, KEPT_NAME_BYTES),
        .value = utf8_sanitized(value, value_len, KEPT_VALUE_BYTES),
    };
}

static bool is_name(const char *name, size_t n, const char *want)
{
    return n == strlen(want) && !strncasecmp(name, want, n);
}

/* The next member of a comma-separated list, without blanks around it; 0 at the end. */
static size_t next_member(const char **at, const char *end, const char **member)
{
    const char *p = *at;
    while (p < end && (*p == ',' || *p == ' ' || *p == '\t'))
        p++;
    const char *from = p;
    while (p < end && *p != ',')
        p++;
    *at = p;
    while (p > from && (p[-1] == ' ' || p[-1] == '\t'))
        p--;
    *member = from;
    return (size_t)(p - from);
}

static bool all_digits(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] < '0' || p[i] > '9')
            return false;
    return true;
}

/* libcurl takes any of them; RFC 9112 §6.3 calls that unrecoverable. */
static void check_length(struct http_answer *a, const char *value, size_t value_len)
{
    const char *at = value, *one;
    for (size_t n; (n = next_member(&at, value + value_len, &one)) > 0;) {
        if (n > HTTP_LENGTH_MAX || !all_digits(one, n))
            a->refused = "its Content-Length is not a number";
        else if (a->length[0] && (strlen(a->length) != n || memcmp(a->length, one, n) != 0))
            a->refused = "it has two different Content-Lengths";
        else
            memcpy(a->length, one, n);
    }
}

static void count_codings(struct http_answer *a, const char *value, size_t value_len)
{
    const char *at = value, *one;
    for (size_t n; (n = next_member(&at, value + value_len, &one)) > 0;)
        a->codings += !is_name(one, n, "chunked") && !is_name(one, n, "identity");
    if (a->codings > CODINGS_MAX)
        a->refused = "its body is compressed more than once";
}

/* What the framing of the body follows from. */
static void on_framing(struct probe *p, const char *line, size_t name_len, const char *value,
                       size_t value_len)
{
    struct http_answer *a = &p->answer;
    if (is_name(line, name_len, "content-length"))
        check_length(a, value, value_len);
    if (is_name(line, name_len, "transfer-encoding") ||
        (is_name(line, name_len, "content-encoding") && p->target->http.compression))
        count_codings(a, value, value_len);
}

static void on_header_line(struct probe *p, const char *line, size_t n)
{
    struct http_answer *a = &p->answer;
    const char *colon = memchr(line, ':', n);
    if (!colon)
        return;
    size_t name_len = (size_t)(colon - line);
    const char *value = colon + 1, *end = line + n;
    while (value < end && (*value == ' ' || *value == '\t'))
        value++;
    while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    size_t value_len = (size_t)(end - value);
    keep_header(a, line, name_len, value, value_len);
    on_framing(p, line, name_len, value, value_len);
    if (is_name(line, name_len, "location") && !a->location) {
        a->location_too_long = value_len >= URI_MAX;
        if (!a->location_too_long)
            a->location = mem_strndup(value, value_len);
    }
    if (is_name(line, name_len, "content-type")) {
        a->html = contains_html(value, value_len);
        charset_label(value, value_len, a->charset);
    }
}

static size_t body_wanted(const struct probe *p)
{
    const struct target_http *t = &p->target->http;
    bool whole = t->expect_body_regex || t->expect_body_not_regex || t->expect.n_json > 0;
    int64_t wanted = whole ? t->body_limit : t->keep_body;
    if (p->answer.html && wanted < HTTP_TITLE_SCAN_BYTES)
        wanted = HTTP_TITLE_SCAN_BYTES;
    return wanted < t->body_limit ? (size_t)wanted : (size_t)t->body_limit;
}

int64_t http_wire_max(const struct probe *p)
{
    int64_t limit = target_wire_limit(&p->target->http);
    return mono_is_set(p->at.first_byte) || limit < WIRE_BEFORE_MAX ? limit : WIRE_BEFORE_MAX;
}

/* The kernel has received more than has been read: what came before an answer can only be judged
 * by the records of TLS as they are read. */
static bool judged_by_records(const struct probe *p)
{
    return http_hop(p)->https && !mono_is_set(p->at.first_byte);
}

static bool wire_exceeded(struct probe *p)
{
    struct tcp_info info;
    socklen_t len = sizeof(info);
    if (getsockopt(p->wire_fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0)
        return false;
    return info.tcpi_bytes_received > (uint64_t)target_wire_limit(&p->target->http);
}

static bool look_at_wire(struct probe *p)
{
    struct http_answer *a = &p->answer;
    a->wire_exceeded |= p->wire_fd >= 0 && !judged_by_records(p) && wire_exceeded(p);
    a->body_too_large |= a->wire_exceeded;
    return a->wire_exceeded;
}

/* A limit of the user's is held to the byte that was read; the derived one is a net that
 * on_progress holds. */
static bool over_asked_limit(struct probe *p)
{
    return p->target->http.wire_limit >= 0 && look_at_wire(p);
}

static void on_headers_end(struct probe *p)
{
    struct http_answer *a = &p->answer;
    a->in_block = false;
    if (a->status >= 100 && a->status < 200)
        return;
    a->headers_done = true;
    bool follow = p->target->http.follow_redirects && http_is_redirect(a->status);
    a->redirecting = follow && a->location && !a->refused;
    if (follow && a->location_too_long)
        a->refused = "its Location is too long for a URL";
    a->body.max = body_wanted(p) + 1;
}

static size_t on_header(char *line, size_t size, size_t count, void *arg)
{
    struct probe *p = arg;
    struct http_answer *a = &p->answer;
    size_t n = size * count, text = n;
    loop_at(p->env->loop, "headers", p->r->task);
    if (!mono_is_set(p->at.first_byte)) {
        p->at.first_byte = loop_now_fresh(p->env->loop);
        p->tls.received_max = http_wire_max(p);
    }
    a->header_bytes += n;
    a->headers_too_large = a->header_bytes > HEADERS_BYTES_MAX;
    if (a->headers_too_large)
        return 0;
    if (a->headers_done)
        return n; /* a trailer */
    while (text > 0 && (line[text - 1] == '\n' || line[text - 1] == '\r'))
        text--;
    if (!a->in_block && text > 5 && !memcmp(line, "HTTP/", 5))
        on_status_line(a, line, text);
    else if (text > 0)
        on_header_line(p, line, text);
    else
        on_headers_end(p);
    if (a->headers_done && !a->redirecting && over_asked_limit(p))
        return 0;
    if (a->headers_done && a->refused)
        return 0;
    return a->redirecting ? 0 : n; /* a redirect's body is nobody's business */
}

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
    struct probe *p = arg;
    struct http_answer *a = &p->answer;
    size_t n = size * count;
    loop_at(p->env->loop, "body", p->r->task);
    if (over_asked_limit(p))
        return 0;
    if (n > (uint64_t)(p->target->http.body_limit - a->body_bytes)) {
        a->body_too_large = true;
        return 0;
    }
    a->body_bytes += (int64_t)n;
    p->at.heard = loop_now(p->env->loop);
    if (!a->sha)
        a->sha = sha256_create();
    sha256_update(a->sha, data, n);
    size_t room = a->body.max - 1 - a->body.len;
    strbuf_append(&a->body, data, n < room ? n : room);
    return n;
}

/* Called at every step of the transfer: stamps the end of sending, and looks at the wire now and
 * then. */
static int on_progress(void *arg, curl_off_t dl_total, curl_off_t dl_now, curl_off_t ul_total,
                       curl_off_t ul_now)
{
    struct probe *p = arg;
    long request_bytes = 0;
    if (mono_is_set(p->at.secured) && !mono_is_set(p->at.sent) && ul_now >= ul_total) {
        curl_easy_getinfo(p->carrier->easy, CURLINFO_REQUEST_SIZE, &request_bytes);
        if (request_bytes > 0)
            p->at.sent = loop_now_fresh(p->env->loop);
    }
    struct mono now = loop_now(p->env->loop);
    if (p->wire_fd < 0 || mono_before(now, mono_add_ms(p->wire_checked, WIRE_LOOK_MS)))
        return 0;
    if (mono_is_set(p->wire_checked))
        look_at_wire(p);
    p->wire_checked = now;
    return p->answer.body_too_large;
}

/* The connection is ready for the request: the TLS handshake, if any, is done. */
static int on_ready(void *arg, char *remote_ip, char *local_ip, int remote_port, int local_port)
{
    struct probe *p = arg;
    struct curl_tlssessioninfo *info = NULL;
    p->at.secured = loop_now_fresh(p->env->loop);
    curl_easy_getinfo(p->carrier->easy, CURLINFO_TLS_SSL_PTR, &info);
    if (info && info->internals) {
        tls_seen_session(&p->tls, info->internals);
        tls_seen_name(&p->tls, http_sni(p) ? http_sni(p) : http_hop(p)->host);
    }
    return CURL_PREREQFUNC_OK;
}

void http_answer_watch(struct probe *p, CURL *e)
{
    p->wire_checked = (struct mono){0};
    curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(e, CURLOPT_HEADERDATA, p);
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(e, CURLOPT_WRITEDATA, p);
    curl_easy_setopt(e, CURLOPT_PREREQFUNCTION, on_ready);
    curl_easy_setopt(e, CURLOPT_PREREQDATA, p);
    curl_easy_setopt(e, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(e, CURLOPT_XFERINFODATA, p);
    curl_easy_setopt(e, CURLOPT_NOPROGRESS, 0L);
}
