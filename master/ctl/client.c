/* SPDX-License-Identifier: MIT */
#include "master/ctl/client.h"
#include "common/mem.h"
#include "master/ctl/interrupt.h"
#include "common/screen.h"
#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <strings.h>

#define BODY_MAX        (64u << 20) /* a page of results is at most 32 MiB */
#define TARGET_MAX      (64u << 10) /* path and query */
#define CONNECT_MS      10000L
#define CALL_MS         90000L /* a synchronous probe takes up to 60 s */
#define EXPORT_SILENT_S 60L
#define TOKEN_BYTES_MAX 4096
#define LOOPBACK        "localhost,127.0.0.1,::1"
#define UNIX_SCHEME     "unix:"

struct client {
    CURL *curl;
    char *url;  /* as given, for messages */
    char *base; /* without a slash at the end */
    char *socket_path;
    char *token_header;          /* NULL: no token was given */
    const char *idempotency_key; /* of the next upload; NULL = none */
    struct strbuf target;
    bool has_query;
};

void client_reply_init(struct client_reply *r)
{
    *r = (struct client_reply){.retry_after_s = -1};
    strbuf_init(&r->body, BODY_MAX);
}

void client_reply_fini(struct client_reply *r)
{
    strbuf_fini(&r->body);
}

/* ---- the token */

static bool token_is_clean(const char *t)
{
    for (; *t != '\0'; t++)
        if (*t <= ' ' || *t > '~')
            return false;
    return true;
}

/* The first line of the file; NULL and *code set when there is none. */
static char *read_token_file(const char *path, int *code)
{
    char line[TOKEN_BYTES_MAX] = "";
    FILE *f = fopen(path, "re");
    if (!f) {
        *code =
            ctl_fail(EXIT_AUTH, "the token file '%s' cannot be read: %s", path, strerror(errno));
        return NULL;
    }
    char *got = fgets(line, sizeof(line), f);
    fclose(f);
    line[strcspn(line, "\r\n")] = '\0';
    char *token = got && line[0] ? mem_strdup(line) : NULL;
    explicit_bzero(line, sizeof(line));
    if (!token)
        *code = ctl_fail(EXIT_AUTH, "the token file '%s' is empty", path);
    return token;
}

static bool take_token(struct client *cl, const struct ctl_options *o, int *code)
{
    const char *given = getenv("SONDE_TOKEN");
    char *token = NULL;
    if (given && *given)
        token = mem_strdup(given);
    else if (o->token_file)
        token = read_token_file(o->token_file, code);
    if (!token)
        return *code == EXIT_ALL_OK;
    if (!token_is_clean(token) || strlen(token) > TOKEN_BYTES_MAX) {
        *code = ctl_fail(EXIT_AUTH, "the token holds characters that no token has; it must be the "
                                    "one word that 'sonde-master token add' printed");
    } else {
        size_t n = strlen(token) + sizeof("Authorization: Bearer ");
        cl->token_header = mem_alloc(n);
        snprintf(cl->token_header, n, "Authorization: Bearer %s", token);
    }
    mem_free_secret(token, strlen(token));
    return *code == EXIT_ALL_OK;
}

/* ---- the address */

static bool take_url(struct client *cl, const char *url, int *code)
{
    cl->url = mem_strdup(url);
    if (strncmp(url, UNIX_SCHEME, strlen(UNIX_SCHEME)) == 0) {
        cl->socket_path = mem_strdup(url + strlen(UNIX_SCHEME));
        cl->base = mem_strdup("http://sonde");
        return true;
    }
    if (strncasecmp(url, "http://", 7) != 0 && strncasecmp(url, "https://", 8) != 0) {
        *code = ctl_fail(EXIT_USAGE,
                         "'%s' is not the URL of a master: it must begin with http://, https:// or "
                         "unix: (--url or SONDE_URL)",
                         url);
        return false;
    }
    cl->base = mem_strdup(url);
    for (size_t n = strlen(cl->base); n > 0 && cl->base[n - 1] == '/'; n--)
        cl->base[n - 1] = '\0';
    return true;
}

struct client *client_create(const struct ctl *c, int *code)
{
    struct client *cl = mem_zalloc(sizeof(*cl));
    *code = EXIT_ALL_OK;
    strbuf_init(&cl->target, TARGET_MAX);
    REQUIRE(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
    cl->curl = curl_easy_init();
    REQUIRE(cl->curl != NULL);
    if (!take_url(cl, c->o.url, code) || !take_token(cl, &c->o, code)) {
        client_destroy(&cl);
        return NULL;
    }
    if (c->o.ca_file)
        curl_easy_setopt(cl->curl, CURLOPT_CAINFO, c->o.ca_file);
    return cl;
}

void client_destroy(struct client **cp)
{
    struct client *cl = *cp;
    if (!cl)
        return;
    curl_easy_cleanup(cl->curl);
    curl_global_cleanup();
    if (cl->token_header)
        mem_free_secret(cl->token_header, strlen(cl->token_header));
    strbuf_fini(&cl->target);
    free(cl->url);
    free(cl->base);
    free(cl->socket_path);
    free(cl);
    *cp = NULL;
}

const char *client_url(const struct client *cl)
{
    return cl->url;
}

/* ---- what is asked */

void client_path(struct client *cl, const char *fmt, ...)
{
    va_list ap;
    strbuf_reset(&cl->target);
    strbuf_puts(&cl->target, cl->base);
    va_start(ap, fmt);
    strbuf_vprintf(&cl->target, fmt, ap);
    va_end(ap);
    cl->has_query = false;
}

void client_query(struct client *cl, const char *name, const char *value)
{
    if (!value)
        return;
    char *escaped = curl_easy_escape(cl->curl, value, (int)strlen(value));
    REQUIRE(escaped != NULL);
    strbuf_printf(&cl->target, "%c%s=", cl->has_query ? '&' : '?', name);
    strbuf_puts(&cl->target, escaped);
    cl->has_query = true;
    curl_free(escaped);
}

/* ---- a call */

struct call {
    struct client_reply *reply;
    CURL *curl;
    FILE *to; /* NULL: the body stays here */
    client_read_f *read;
    void *read_arg;
    unsigned char last; /* of what went to `to` */
};

static size_t put_out(struct call *k, const char *bytes, size_t n)
{
    if (screen_put(k->to, bytes, n, &k->last))
        return n;
    k->reply->out_errno = errno;
    return 0;
}

static size_t on_body(char *bytes, size_t size, size_t n, void *arg)
{
    struct call *k = arg;
    long status = 0;
    REQUIRE(k != NULL && size == 1);
    curl_easy_getinfo(k->curl, CURLINFO_RESPONSE_CODE, &status);
    if (k->to && status == 200)
        return put_out(k, bytes, n);
    strbuf_append(&k->reply->body, bytes, n);
    return k->reply->body.overflow ? 0 : n;
}

static size_t on_read(char *buf, size_t size, size_t n, void *arg)
{
    struct call *k = arg;
    REQUIRE(k != NULL && k->read != NULL);
    ssize_t got = k->read(k->read_arg, buf, size * n);
    return got < 0 ? CURL_READFUNC_ABORT : (size_t)got;
}

static int on_progress(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    return interrupt_seen();
}

static void prepare(struct client *cl, struct call *k, struct curl_slist *headers)
{
    CURL *h = cl->curl;
    curl_easy_setopt(h, CURLOPT_URL, cl->target.data);
    curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(h, CURLOPT_UNIX_SOCKET_PATH, cl->socket_path);
    curl_easy_setopt(h, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(h, CURLOPT_USERAGENT, "sonde/" SONDE_VERSION);
    curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
    curl_easy_setopt(h, CURLOPT_ERRORBUFFER, k->reply->why);
    curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(h, CURLOPT_WRITEDATA, k);
    curl_easy_setopt(h, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(h, CURLOPT_XFERINFOFUNCTION, on_progress);
    if (!getenv("no_proxy") && !getenv("NO_PROXY"))
        curl_easy_setopt(h, CURLOPT_NOPROXY, LOOPBACK);
}

static void keep_facts(struct client *cl, struct client_reply *r, CURLcode rc)
{
    curl_off_t after = 0;
    const char *type = NULL;
    r->curl = (int)rc;
    if (rc != CURLE_OK && !r->why[0])
        snprintf(r->why, sizeof(r->why), "%s", curl_easy_strerror(rc));
    curl_easy_getinfo(cl->curl, CURLINFO_RESPONSE_CODE, &r->status);
    curl_easy_getinfo(cl->curl, CURLINFO_OS_ERRNO, &r->os_errno);
    curl_easy_getinfo(cl->curl, CURLINFO_RETRY_AFTER, &after);
    curl_easy_getinfo(cl->curl, CURLINFO_CONTENT_TYPE, &type);
    r->retry_after_s = after > 0 ? (int64_t)after : -1;
    r->is_json = type && strstr(type, "json");
    r->interrupted = rc == CURLE_ABORTED_BY_CALLBACK && interrupt_seen();
}

static struct curl_slist *headers_of(const struct client *cl, const char *type)
{
    char line[400];
    struct curl_slist *h = NULL;
    if (cl->token_header)
        h = curl_slist_append(h, cl->token_header);
    if (type) {
        snprintf(line, sizeof(line), "Content-Type: %s", type);
        h = curl_slist_append(h, line);
    }
    if (cl->idempotency_key) {
        snprintf(line, sizeof(line), "Idempotency-Key: %s", cl->idempotency_key);
        h = curl_slist_append(h, line);
    }
    return h;
}

/* The handle keeps its connection; its options are set anew for each call, so none is left of the
 * last. */
static void perform(struct client *cl, struct call *k, const char *type)
{
    struct client_reply *r = k->reply;
    struct curl_slist *headers = headers_of(cl, type);
    REQUIRE(cl->target.len > 0 && !cl->target.overflow);
    strbuf_reset(&r->body);
    r->why[0] = '\0';
    r->status = 0;
    r->out_errno = 0;
    k->curl = cl->curl;
    prepare(cl, k, headers);
    keep_facts(cl, r, curl_easy_perform(cl->curl));
    curl_easy_setopt(cl->curl, CURLOPT_HTTPHEADER, NULL);
    curl_easy_setopt(cl->curl, CURLOPT_ERRORBUFFER, NULL);
    curl_slist_free_all(headers);
}

void client_idempotency_key(struct client *cl, const char *key)
{
    REQUIRE(!key || strlen(key) <= CTL_KEY_MAX);
    cl->idempotency_key = key;
}

void client_get(struct client *cl, struct client_reply *r)
{
    struct call k = {.reply = r};
    curl_easy_setopt(cl->curl, CURLOPT_HTTPGET, 1L);
    curl_easy_setopt(cl->curl, CURLOPT_TIMEOUT_MS, CALL_MS);
    perform(cl, &k, NULL);
}

void client_post(struct client *cl, const char *json, struct client_reply *r)
{
    struct call k = {.reply = r};
    curl_easy_setopt(cl->curl, CURLOPT_POST, 1L);
    curl_easy_setopt(cl->curl, CURLOPT_POSTFIELDSIZE, -1L);
    curl_easy_setopt(cl->curl, CURLOPT_POSTFIELDS, json ? json : "");
    curl_easy_setopt(cl->curl, CURLOPT_TIMEOUT_MS, CALL_MS);
    perform(cl, &k, "application/json");
    curl_easy_setopt(cl->curl, CURLOPT_POSTFIELDS, NULL);
}

static void custom(struct client *cl, const char *method, const char *body, size_t len,
                   struct client_reply *r)
{
    struct call k = {.reply = r};
    curl_easy_setopt(cl->curl, CURLOPT_POST, 1L);
    curl_easy_setopt(cl->curl, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(cl->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)len);
    curl_easy_setopt(cl->curl, CURLOPT_POSTFIELDS, body);
    curl_easy_setopt(cl->curl, CURLOPT_TIMEOUT_MS, CALL_MS);
    perform(cl, &k, len > 0 ? "application/json" : NULL);
    curl_easy_setopt(cl->curl, CURLOPT_POSTFIELDS, NULL);
    curl_easy_setopt(cl->curl, CURLOPT_CUSTOMREQUEST, NULL);
}

void client_put(struct client *cl, const char *json, size_t len, struct client_reply *r)
{
    REQUIRE(json != NULL && len > 0);
    custom(cl, "PUT", json, len, r);
}

void client_delete(struct client *cl, struct client_reply *r)
{
    custom(cl, "DELETE", "", 0, r);
}

/* No time-out: the master suspends an upload for as long as its store needs. */
void client_upload(struct client *cl, const char *type, client_read_f *read, void *arg,
                   struct client_reply *r)
{
    struct call k = {.reply = r, .read = read, .read_arg = arg};
    curl_easy_setopt(cl->curl, CURLOPT_POST, 1L);
    curl_easy_setopt(cl->curl, CURLOPT_POSTFIELDS, NULL);
    curl_easy_setopt(cl->curl, CURLOPT_POSTFIELDSIZE, -1L);
    curl_easy_setopt(cl->curl, CURLOPT_READFUNCTION, on_read);
    curl_easy_setopt(cl->curl, CURLOPT_READDATA, &k);
    curl_easy_setopt(cl->curl, CURLOPT_TIMEOUT_MS, 0L);
    perform(cl, &k, type);
    cl->idempotency_key = NULL;
    curl_easy_setopt(cl->curl, CURLOPT_READDATA, NULL);
}

void client_export(struct client *cl, FILE *to, struct client_reply *r)
{
    struct call k = {.reply = r, .to = to};
    REQUIRE(to != NULL);
    curl_easy_setopt(cl->curl, CURLOPT_HTTPGET, 1L);
    curl_easy_setopt(cl->curl, CURLOPT_TIMEOUT_MS, 0L);
    curl_easy_setopt(cl->curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(cl->curl, CURLOPT_LOW_SPEED_TIME, EXPORT_SILENT_S);
    perform(cl, &k, NULL);
    curl_easy_setopt(cl->curl, CURLOPT_LOW_SPEED_TIME, 0L);
}

bool client_has_token(const struct client *cl)
{
    return cl->token_header != NULL;
}
