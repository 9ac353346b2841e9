/* SPDX-License-Identifier: MIT */
#pragma once
#include "agent/probe/charset.h"
#include "agent/probe/tls.h"
#include "agent/run/connector.h"
#include "agent/run/curl_loop.h"
#include "agent/run/probe_kind.h"
#include "agent/run/tunnel.h"
#include "common/digest.h"
#include <curl/curl.h>

/*
 * http_impl - what the files of the HTTP probe share; only http*.c include it. Worker thread.
 *
 *   http.c           the probe: resolve → connect or tunnel → transfer → next hop or end
 *   http_carrier.c   easy handles, their pins and options
 *   http_answer.c    what libcurl's callbacks deliver, bounded
 *   http_redirect.c  where a redirect leads and what goes along
 *   http_record.c    phases, causes and facts into the result
 *   http_title.c     the title of a page
 */

/* An easy handle for one transfer at a time. */
struct http_carrier {
    struct list_node node; /* idle */
    CURL *easy;
    struct curl_slist *pin, *connect_to; /* for all transfers */
    bool pinned;                         /* libcurl has seen the pin */
    struct curl_slist *headers;          /* of this transfer */
    CURLU *named; /* the probe's URL with the SNI name as its host; NULL = not needed */
    char error[CURL_ERROR_SIZE];
};

struct http_state { /* per worker */
    struct tls_store *store;
    struct list idle;
    unsigned carriers;
};

#define HTTP_LENGTH_MAX 18 /* digits: what an int64_t holds */

struct http_answer { /* of one hop */
    int status;
    bool in_block;                  /* behind a status line, before the empty line */
    bool headers_done, redirecting; /* redirecting: we go on to `location` and want no body */
    bool headers_too_large, body_too_large; /* wire_exceeded: too large, seen on the wire */
    bool wire_exceeded, headers_cut;
    char *location; /* raw, NULL = none */
    bool location_too_long;
    char length[HTTP_LENGTH_MAX + 1]; /* of the first Content-Length, "" = none */
    unsigned codings;                 /* layers that libcurl takes off the body */
    const char *refused; /* why what came is no answer to us; a literal, NULL = it is */
    struct result_header *headers;
    unsigned n_headers, headers_room;
    size_t header_bytes, kept_header_bytes;
    int64_t body_bytes;
    struct strbuf body; /* as much as somebody wants of it */
    bool html;
    char charset[CHARSET_LABEL_MAX]; /* of Content-Type, "" = none */
    struct sha256 *sha;
    char version[4]; /* "" = none */
};

struct http_stamps { /* of one hop; unset = not reached */
    struct mono started, resolved, connected, tunnelled, secured, sent, first_byte, ended;
    struct mono heard; /* the last bytes of a body */
};

struct probe {
    struct probe_env *env;
    struct http_state *http;
    const struct target *target;
    struct result *r;
    struct mono started, last_deadline; /* of all tries together */
    struct mono try_at, deadline;       /* of this one */
    struct wall try_wall;
    probe_done_f *done;
    void *arg;

    /* what the present hop asks for */
    struct target *hop_target; /* owned, NULL = the target itself */
    char *method;
    bool send_body, drop_secrets;
    CURLU *url;

    struct http_stamps at;
    struct resolver *named; /* owned: of the servers that the target names; NULL = the agent's */
    struct resolve resolve;
    struct connector connector;
    struct tunnel *tunnel; /* owned, in place of the connector; NULL = no proxy */
    struct ip ip;          /* of the target: connected to, or asked of the proxy; unset = none */
    struct curl_transfer transfer;
    struct http_carrier *carrier;
    struct tls_seen tls;
    struct tls_store *own_store;   /* owned, NULL = the worker's */
    struct tls_identity *identity; /* owned, NULL = none */
    struct http_answer answer;
    struct timer end_timer, retry_timer, deadline_timer;
    struct mono wire_checked;
    int fd, wire_fd; /* fd: ours to close, −1 once libcurl has it; wire_fd: to look at only */
    bool cancelled;
};

/* The present hop's host, port and scheme. */
const struct target_http *http_hop(const struct probe *p);
/* The name for its TLS when that is not its host, else NULL. */
const char *http_sni(const struct probe *p);

/* http_carrier.c */
bool http_carrier_take(struct probe *p); /* false: no memory */
void http_carrier_give(struct probe *p);
void http_carrier_destroy(struct http_carrier **cp);
bool http_carrier_prepare(
    struct probe *p); /* all options of this hop; false: no memory, or libcurl refuses the URL */

/* http_answer.c */
void http_answer_init(struct http_answer *a);
void http_answer_fini(struct http_answer *a);
void http_answer_watch(struct probe *p, CURL *easy); /* sets the callbacks */
bool http_is_redirect(int status);
/* Bytes that may come off the wire until now: less while no answer has begun. */
int64_t http_wire_max(const struct probe *p);

/* http_redirect.c: records the hop and moves p to the next one. Or why not, with detail: then p is
 * as it was. */
enum cause http_redirect(struct probe *p, char *detail, size_t detail_max);
/* The URL of the first hop; NULL: not usable. */
CURLU *http_first_url(const struct target *t);

/* http_record.c */
void http_timings(const struct probe *p, struct result_timings *out);
void http_record_hop(struct probe *p);  /* the answer was a redirect that we follow */
void http_record_last(struct probe *p); /* the last hop's facts, as far as it came */
void http_expect(struct probe *p);      /* the answer is complete: checks and the verdict */
enum cause http_transfer_cause(struct probe *p, CURLcode rc, char *detail, size_t detail_max);
void http_doubt(struct probe *p); /* what the failure, if it is one, may say of ourselves */
struct result_http *http_result(struct probe *p);

/* http_title.c: the text of the first <title> of a page in UTF-8, sanitised; NULL = none. Caller
 * frees. */
char *http_title(const char *html, size_t n);
#define HTTP_TITLE_SCAN_BYTES (64 * 1024) /* a title further down is none */
