/* SPDX-License-Identifier: MIT */
#include "master/api/whole_body.h"
#include "common/mem.h"
#include "master/api/gunzip.h"
#include <stdlib.h>
#include <strings.h>

struct whole_body {
    struct http_req *req;
    const char *what;
    struct gunzip *gunzip;
    struct strbuf text;
    size_t charged; /* of api->small_bytes */
};

bool body_encoding(struct http_req *r, bool *gzip)
{
    const char *e = http_header(r, "Content-Encoding");
    *gzip = e && (strcasecmp(e, "gzip") == 0 || strcasecmp(e, "x-gzip") == 0);
    if (!e || *gzip || strcasecmp(e, "identity") == 0)
        return true;
    reply_problem(r, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE, "unsupported_encoding",
                  "Content-Encoding '%.60s' is not taken; send gzip or no encoding", e);
    return false;
}

struct whole_body *whole_body_create(struct http_req *r, size_t max, const char *what)
{
    bool gzip;
    if (!body_encoding(r, &gzip))
        return NULL;
    struct whole_body *b = mem_zalloc(sizeof(*b));
    b->req = r;
    b->what = what;
    b->gunzip = gzip ? gunzip_create() : NULL;
    strbuf_init(&b->text, max);
    return b;
}

static void uncharge(struct whole_body *b)
{
    REQUIRE(b->req->api->small_bytes >= b->charged);
    b->req->api->small_bytes -= b->charged;
    b->charged = 0;
}

void whole_body_destroy(struct whole_body **bp)
{
    struct whole_body *b = *bp;
    if (!b)
        return;
    uncharge(b);
    if (b->req->api->big == b)
        b->req->api->big = NULL;
    gunzip_destroy(&b->gunzip);
    strbuf_fini(&b->text);
    free(b);
    *bp = NULL;
}

static enum step no_place(struct whole_body *b, const char *why)
{
    return reply_problem(b->req, MHD_HTTP_TOO_MANY_REQUESTS, "busy", "%s; try again", why);
}

/* A place for n bytes more. */
static enum step charge(struct whole_body *b, size_t n)
{
    struct api *a = b->req->api;
    if (a->big == b)
        return STEP_MORE;
    if (b->text.len + n > WHOLE_SMALL) {
        if (a->big)
            return no_place(b, "another body over 1 MiB is being read");
        a->big = b;
        uncharge(b);
        return STEP_MORE;
    }
    if (a->small_bytes + n > WHOLE_SMALL_TOTAL)
        return no_place(b, "too many bodies are being read at this moment");
    a->small_bytes += n;
    b->charged += n;
    return STEP_MORE;
}

static enum step add(struct whole_body *b, const char *p, size_t n)
{
    if (charge(b, n) == STEP_DONE)
        return STEP_DONE;
    strbuf_append(&b->text, p, n);
    if (!b->text.overflow)
        return STEP_MORE;
    return reply_problem(b->req, MHD_HTTP_CONTENT_TOO_LARGE, "body_too_large",
                         "%s is at most %zu KiB", b->what, b->text.max >> 10);
}

static enum step bad_gzip(struct whole_body *b)
{
    return reply_problem(b->req, MHD_HTTP_BAD_REQUEST, "bad_gzip",
                         "the body is not gzip, though Content-Encoding says so, or it ends too "
                         "soon");
}

static enum step gzip_feed(struct whole_body *b, const char *p, size_t *n)
{
    const char *plain;
    size_t len;
    do {
        if (gunzip_next(b->gunzip, &p, n, &plain, &len) != ERR_NONE)
            return bad_gzip(b);
        if (len > 0 && add(b, plain, len) == STEP_DONE)
            return STEP_DONE;
    } while (len > 0 || *n > 0);
    return STEP_MORE;
}

enum step whole_body_feed(struct whole_body *b, const char *p, size_t *n)
{
    if (b->gunzip)
        return gzip_feed(b, p, n);
    enum step s = add(b, p, *n);
    *n = 0;
    return s;
}

enum step whole_body_end(struct whole_body *b)
{
    return !b->gunzip || gunzip_whole(b->gunzip) ? STEP_MORE : bad_gzip(b);
}

const char *whole_body_text(const struct whole_body *b, size_t *len)
{
    *len = b->text.len;
    return b->text.len > 0 ? b->text.data : "";
}
