/* SPDX-License-Identifier: MIT */
/*
 * target_server - a small world to probe: web servers good and bad, tarpits, certificates of every
 * kind, proxies, a name server. HTTP is served on 127.0.0.1 and ::1, and with --also on one more
 * address.
 *
 *     target_server --dir DIR [--http PORT] [--dns PORT] [--also ADDR] [--stdin]
 *
 * Prints one line of JSON with all its ports when it is ready, and ends on SIGTERM or, with
 * --stdin, when its standard input closes. DIR receives ca.pem, the authority of the good
 * certificates.
 */
#include <getopt.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/world/certs.h"
#include "tests/support/world/conn.h"
#include "tests/support/world/cutter.h"
#include "tests/support/world/dns.h"
#include "tests/support/world/h2_ill.h"
#include "tests/support/world/loop.h"
#include "tests/support/world/proxy.h"
#include "tests/support/world/routes.h"
#include "tests/support/world/tls_ill.h"

enum { BACKLOG = 4096 };

static const char *dir = ".", *also;
static uint16_t http_port, want_dns_port;
static bool watch_stdin;

static const char *const tls_names[CERTS_KINDS] = {
    [CERTS_GOOD] = "https",
    [CERTS_EXPIRED] = "https_expired",
    [CERTS_FUTURE] = "https_future",
    [CERTS_WRONG_NAME] = "https_wrong_name",
    [CERTS_SELF_SIGNED] = "https_self_signed",
};

/* A TLS alert: fatal, handshake_failure. */
static const char tls_alert[] = {0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x28};

/* What a web server says to a ClientHello on its plain port. */
static const char plain_answer[] = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n";

static void parse_options(int argc, char **argv)
{
    static const struct option options[] = {
        {"dir", required_argument, NULL, 'd'}, {"http", required_argument, NULL, 'h'},
        {"dns", required_argument, NULL, 'n'}, {"also", required_argument, NULL, 'a'},
        {"stdin", no_argument, NULL, 's'},     {NULL, 0, NULL, 0}};
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (c) {
        case 'd':
            dir = optarg;
            break;
        case 'h':
            http_port = (uint16_t)strtoul(optarg, NULL, 10);
            break;
        case 'n':
            want_dns_port = (uint16_t)strtoul(optarg, NULL, 10);
            break;
        case 'a':
            also = optarg;
            break;
        case 's':
            watch_stdin = true;
            break;
        default:
            fprintf(stderr, "usage: target_server --dir DIR [--http PORT] [--dns PORT] [--also "
                            "ADDR] [--stdin]\n");
            exit(2);
        }
    }
}

static void raise_descriptor_limit(void)
{
    struct rlimit r;
    getrlimit(RLIMIT_NOFILE, &r);
    r.rlim_cur = r.rlim_max;
    setrlimit(RLIMIT_NOFILE, &r);
}

static int listen_here(uint16_t port, int backlog)
{
    int fd = loop_listen("127.0.0.1", port, SOCK_STREAM, backlog);
    loop_must(fd >= 0, "listening on 127.0.0.1");
    return fd;
}

static void report(const char *name, int fd)
{
    printf("\"%s\":%u,", name, loop_port_of(fd));
}

static void serve_http(void)
{
    const struct loop_place places[LOOP_PLACES] = {{"127.0.0.1", SOCK_STREAM, BACKLOG, false},
                                                   {"::1", SOCK_STREAM, BACKLOG, true},
                                                   {also, SOCK_STREAM, BACKLOG, false}};
    size_t n = also ? 3 : 2;
    int fds[LOOP_PLACES];
    loop_listen_same(places, n, http_port, fds);
    for (size_t i = 0; i < n; i++)
        if (fds[i] >= 0)
            conn_serve(fds[i], NULL, routes_do);
    report("http", fds[0]);
    printf("\"v6\":%s,", fds[1] >= 0 ? "true" : "false");
}

/* Silent in the handshake, behind a ServerHello of TLS 1.3; and in the middle of a record of the
 * body, each being of 16 KiB. */
static void serve_cut(uint16_t https_port)
{
    static const struct {
        const char *name;
        size_t bytes;
    } cuts[] = {{"tls_cut_hello", 127}, {"tls_cut_record", 40000}};
    for (int i = 0; i < 2; i++) {
        int fd = listen_here(0, BACKLOG);
        cutter_serve(fd, https_port, cuts[i].bytes);
        report(cuts[i].name, fd);
    }
}

static void serve_tls(void)
{
    certs_init(dir);
    for (int kind = 0; kind < CERTS_KINDS; kind++) {
        int fd = listen_here(0, BACKLOG);
        conn_serve(fd, certs_context((enum certs_kind)kind), routes_do);
        report(tls_names[kind], fd);
        if (kind == CERTS_GOOD)
            serve_cut(loop_port_of(fd));
    }
    for (size_t i = 0; i < n_tls_ills; i++) {
        int fd = listen_here(0, BACKLOG);
        conn_serve(fd, tls_ills[i].make(), routes_do);
        report(tls_ills[i].name, fd);
    }
    for (size_t i = 0; i < n_h2_ills; i++) {
        int fd = listen_here(0, BACKLOG);
        h2_ill_serve(fd, i);
        report(h2_ills[i].name, fd);
    }
}

/*
 * Nobody ever accepts here and the queue of one is filled by ourselves, so the kernel drops every
 * further SYN. The two connections stay open as long as the program.
 */
static void serve_full(void)
{
    int fd = listen_here(0, 0);
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(loop_port_of(fd)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    for (int i = 0; i < 2; i++) {
        int c = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        loop_must(c >= 0, "socket");
        (void)connect(c, (struct sockaddr *)&to, sizeof(to));
    }
    report("full", fd);
}

static void serve_bad(void)
{
    int plain = listen_here(0, BACKLOG);
    int tarpit = listen_here(0, BACKLOG), alert = listen_here(0, BACKLOG),
        reset = listen_here(0, BACKLOG);
    conn_serve_tarpit(tarpit);
    conn_serve_bytes(alert, tls_alert, sizeof(tls_alert));
    conn_serve_reset(reset);
    conn_serve_bytes(plain, plain_answer, sizeof(plain_answer) - 1);
    report("plain", plain);
    report("tarpit", tarpit);
    report("tls_alert", alert);
    report("reset", reset);
    /* Bound and not listening: refuses, and nobody else can take the port. */
    report("refused", listen_here(0, -1));
    serve_full();
}

static void serve_proxies(void)
{
    static const char *const names[PROXY_MODES] = {
        [PROXY_WORKS] = "proxy",           [PROXY_WANTS_USER] = "proxy_user",
        [PROXY_REFUSES] = "proxy_refuses", [PROXY_FAILS] = "proxy_fails",
        [PROXY_SILENT] = "proxy_silent",   [PROXY_GARBAGE] = "proxy_garbage",
        [PROXY_DRIPS] = "proxy_drips",
    };
    for (int mode = 0; mode < PROXY_MODES; mode++) {
        int fd = listen_here(0, BACKLOG);
        proxy_serve(fd, (enum proxy_mode)mode);
        report(names[mode], fd);
    }
}

static void on_stdin(struct source *s, uint32_t events)
{
    char scratch[256];
    if (read(s->fd, scratch, sizeof(scratch)) <= 0)
        loop_stop();
}

int main(int argc, char **argv)
{
    static struct source input = {.fd = STDIN_FILENO, .ready = on_stdin};
    parse_options(argc, argv);
    raise_descriptor_limit();
    loop_init();
    printf("{");
    serve_http();
    serve_tls();
    serve_bad();
    serve_proxies();
    dns_serve("127.0.0.1", want_dns_port);
    if (watch_stdin)
        loop_add(&input, EPOLLIN);
    printf("\"dns_no_tcp\":%u,", dns_serve_udp_only("127.0.0.1"));
    printf("\"dns\":%u,\"ca\":\"%s/ca.pem\",\"pid\":%d}\n", dns_port(), dir, (int)getpid());
    fflush(stdout);
    loop_run();
    /* What is still open lives as long as the program: no leak to look for. */
    _exit(0);
}
