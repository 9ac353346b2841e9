/* SPDX-License-Identifier: MIT */
#include "agent/page/page.h"

#include "agent/page/page_text.h"
#include "common/cidr.h"
#include "common/json.h"
#include "common/log.h"
#include "common/mem.h"
#include <errno.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* A scraper or two and a watchdog; whoever else comes waits. */
#define CONNECTIONS_MAX   16
#define BACKLOG           16
#define IDLE_S            10
#define CONNECTION_MEMORY (16u << 10)
#define HEALTH_MAX        1024

struct page {
    struct MHD_Daemon *daemon;
    char *agent;
    struct mono started;
    struct wall started_wall;
    bool named;
    pthread_mutex_t lock; /* guards the two below */
    struct page_figures figures;
    struct mono told_at; /* unset: not yet */
};

/* ---- the answers */

static int64_t figures(struct page *p, struct page_figures *f, struct mono now)
{
    PTOK(pthread_mutex_lock(&p->lock));
    *f = p->figures;
    int64_t age = mono_is_set(p->told_at) ? mono_diff_ms(now, p->told_at) : -1;
    PTOK(pthread_mutex_unlock(&p->lock));
    return age;
}

static double cpu_s(void)
{
    struct rusage u;
    if (getrusage(RUSAGE_SELF, &u) != 0)
        return -1;
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static enum MHD_Result reply(struct MHD_Connection *conn, unsigned status, const char *type,
                             struct strbuf *b)
{
    REQUIRE(!b->overflow && b->len > 0);
    struct MHD_Response *r =
        MHD_create_response_from_buffer(b->len, b->data, MHD_RESPMEM_MUST_COPY);
    strbuf_fini(b);
    if (!r)
        return MHD_NO;
    MHD_add_response_header(r, "Content-Type", type);
    MHD_add_response_header(r, "Cache-Control", "no-store");
    MHD_add_response_header(r, "X-Content-Type-Options", "nosniff");
    if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
        MHD_add_response_header(r, "Allow", "GET, HEAD");
    enum MHD_Result ok = MHD_queue_response(conn, status, r);
    MHD_destroy_response(r);
    return ok;
}

static enum MHD_Result put_metrics(struct page *p, struct MHD_Connection *conn)
{
    struct page_figures f;
    struct strbuf b;
    strbuf_init(&b, PAGE_TEXT_MAX);
    struct page_process self = {.cpu_s = cpu_s(),
                                .started_at_s = (double)p->started_wall.us / 1e6,
                                .log_suppressed = log_suppressed(),
                                .log_unwritten = log_unwritten()};
    int64_t age = figures(p, &f, mono_now());
    page_text_metrics(&b, p->agent, &f, &self, age);
    return reply(conn, MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8", &b);
}

static enum MHD_Result problem(struct MHD_Connection *conn, unsigned status, const char *code,
                               const char *detail)
{
    struct strbuf b;
    struct json_out w;
    strbuf_init(&b, HEALTH_MAX);
    json_out_init(&w, &b);
    json_obj_begin(&w);
    json_int(&w, "status", status);
    json_str(&w, "code", code);
    json_str(&w, "detail", detail);
    json_obj_end(&w);
    return reply(conn, status, "application/problem+json", &b);
}

static enum MHD_Result put_health(struct page *p, struct MHD_Connection *conn)
{
    struct page_figures f;
    struct strbuf b;
    struct json_out w;
    char why[256];
    struct mono now = mono_now();
    int64_t age = figures(p, &f, now);
    if (!page_text_alive(&f, age, mono_diff_ms(now, p->started), why, sizeof(why)))
        return problem(conn, MHD_HTTP_SERVICE_UNAVAILABLE, "loop_silent", why);
    strbuf_init(&b, HEALTH_MAX);
    json_out_init(&w, &b);
    json_obj_begin(&w);
    json_str(&w, "status", "ok");
    json_str(&w, "session", age >= 0 ? f.state : NULL);
    json_str(&w, "trouble", age >= 0 && f.trouble[0] ? f.trouble : NULL);
    json_str(&w, "version", SONDE_VERSION);
    json_obj_end(&w);
    return reply(conn, MHD_HTTP_OK, "application/json", &b);
}

/* No request has a body that is wanted: each is answered by its head. */
static enum MHD_Result on_request(void *cls, struct MHD_Connection *conn, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *size, void **con_cls)
{
    struct page *p = cls;
    REQUIRE(p != NULL && p->agent != NULL);
    if (!p->named) {
        pthread_setname_np(pthread_self(), "page");
        p->named = true;
    }
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
        return problem(conn, MHD_HTTP_METHOD_NOT_ALLOWED, "wrong_method", "this takes GET alone");
    if (strcmp(url, "/metrics") == 0)
        return put_metrics(p, conn);
    if (strcmp(url, "/healthz") == 0)
        return put_health(p, conn);
    return problem(conn, MHD_HTTP_NOT_FOUND, "no_such_path",
                   "an agent answers /metrics and /healthz; the API is the master's");
}

static void on_mhd_log(void *cls, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));

static void on_mhd_log(void *cls, const char *fmt, va_list ap)
{
    char text[256];
    vsnprintf(text, sizeof(text), fmt, ap);
    text[strcspn(text, "\n")] = '\0';
    LOG(LOG_DEBUG, "page", "mhd", LS("text", text));
}

/* ---- its port */

static bool address_of(const char *listen, struct ip *ip, uint16_t *port)
{
    return addr_parse(listen, 0, ip, port) == ERR_NONE && *port != 0;
}

enum err page_address_check(const char *listen, char *why, size_t why_max)
{
    struct ip ip;
    uint16_t port;
    if (address_of(listen, &ip, &port))
        return ERR_NONE;
    snprintf(why, why_max, "--metrics-listen must be ADDR:PORT, like 127.0.0.1:8702, not '%.80s'",
             listen);
    return ERR_INVALID;
}

static bool is_loopback(const struct ip *ip)
{
    struct cidr c;
    static const char *const nets[] = {"127.0.0.0/8", "::1/128"};
    for (size_t i = 0; i < ARRAY_LEN(nets); i++)
        if (cidr_parse(nets[i], &c) == ERR_NONE && cidr_contains(&c, ip))
            return true;
    return false;
}

static enum err failed(const char *listen, char *why, size_t why_max)
{
    int error = errno;
    bool busy = error == EADDRINUSE;
    snprintf(why, why_max, "cannot listen on %s for metrics: %s%s", listen,
             busy ? "the address is in use" : strerror(error),
             busy ? "; give each agent of a host a port of its own with --metrics-listen" : "");
    if (busy)
        return ERR_BUSY;
    return error == EACCES || error == EPERM ? ERR_DENIED : ERR_SYSTEM;
}

static enum err open_port(const char *listen_on, int *out, char *why, size_t why_max)
{
    struct sockaddr_storage ss;
    socklen_t len;
    struct ip ip;
    uint16_t port;
    int one = 1;
    if (!address_of(listen_on, &ip, &port))
        UNREACHABLE("the options check the address");
    ip_to_sockaddr(&ip, port, &ss, &len);
    int fd = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return failed(listen_on, why, why_max);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(fd, (struct sockaddr *)&ss, len) != 0 || listen(fd, BACKLOG) != 0) {
        enum err e = failed(listen_on, why, why_max);
        close(fd);
        return e;
    }
    if (!is_loopback(&ip))
        LOG(LOG_WARN, "page", "not_loopback", LS("listen", listen_on),
            LS("meaning", "whoever reaches this address can read the metrics"),
            LS("fix", "listen on 127.0.0.1, or let a firewall choose who may"));
    *out = fd;
    return ERR_NONE;
}

/* Poll, as the master's API does. */
static struct MHD_Daemon *start(struct page *p, int fd)
{
    return MHD_start_daemon(MHD_USE_POLL_INTERNAL_THREAD | MHD_USE_ERROR_LOG, 0, NULL, NULL,
                            on_request, p, MHD_OPTION_EXTERNAL_LOGGER, on_mhd_log, NULL,
                            MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
                            (unsigned)CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
                            (unsigned)IDLE_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                            (size_t)CONNECTION_MEMORY, MHD_OPTION_END);
}

static void page_free(struct page *p)
{
    PTOK(pthread_mutex_destroy(&p->lock));
    free(p->agent);
    free(p);
}

enum err page_create(const char *listen, const char *agent, struct page **out, char *why,
                     size_t why_max)
{
    int fd = -1;
    enum err e = open_port(listen, &fd, why, why_max);
    if (e != ERR_NONE)
        return e;
    struct page *p = mem_zalloc(sizeof(*p));
    p->agent = mem_strdup(agent);
    p->started = mono_now();
    p->started_wall = wall_now();
    PTOK(pthread_mutex_init(&p->lock, NULL));
    p->daemon = start(p, fd);
    if (!p->daemon) {
        snprintf(why, why_max, "the HTTP server for metrics on %s could not be started", listen);
        close(fd);
        page_free(p);
        return ERR_SYSTEM;
    }
    LOG(LOG_INFO, "page", "listening", LS("address", listen));
    *out = p;
    return ERR_NONE;
}

void page_destroy(struct page **pp)
{
    if (!*pp)
        return;
    MHD_stop_daemon((*pp)->daemon); /* joins its thread and closes the port */
    page_free(*pp);
    *pp = NULL;
}

void page_put(struct page *p, const struct page_figures *f, struct mono now)
{
    REQUIRE(f->state != NULL && f->hb.trouble == NULL);
    PTOK(pthread_mutex_lock(&p->lock));
    p->figures = *f;
    p->told_at = now;
    PTOK(pthread_mutex_unlock(&p->lock));
}
