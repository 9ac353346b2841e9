/* SPDX-License-Identifier: MIT */
#include "tests/bench/bench_client.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * floor_http - the least that COUNT fresh HTTP or HTTPS requests to 127.0.0.1 can cost: connect,
 * send GET, read to the end, close, on one edge-triggered epoll. With --ca-file over TLS, each a
 * full handshake, the chain and the name verified. The same line of figures as bench_engine's.
 */
#define ME         "floor_http"
#define WINDOW_MAX 10000
#define NAMES_MAX  1000000
#define PORT_MAX   65535

struct conn {
    int fd;
    SSL *ssl;
    bool shaken, sent, good;
    long number;
};

static struct {
    long port, count, window, names;
    const char *ca_file;
    SSL_CTX *tls;
    int epoll;
    long begun, ended, ok;
} b = {.count = 20000, .window = 64, .names = 2000};

static void usage(void)
{
    fprintf(stderr, "usage: floor_http --port N [--ca-file FILE] [--count N] [--window N] "
                    "[--names N]\n");
    exit(2);
}

static void read_options(int argc, char **argv)
{
    static const struct option options[] = {
        {"port", 1, NULL, 'p'},   {"ca-file", 1, NULL, 'a'}, {"count", 1, NULL, 'c'},
        {"window", 1, NULL, 'w'}, {"names", 1, NULL, 'n'},   {NULL, 0, NULL, 0},
    };
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (c) {
        case 'p':
            b.port = bench_number(ME, optarg, PORT_MAX);
            break;
        case 'a':
            b.ca_file = optarg;
            break;
        case 'c':
            b.count = bench_number(ME, optarg, LONG_MAX);
            break;
        case 'w':
            b.window = bench_number(ME, optarg, WINDOW_MAX);
            break;
        case 'n':
            b.names = bench_number(ME, optarg, NAMES_MAX);
            break;
        default:
            usage();
        }
    }
    if (b.port == 0 || optind != argc)
        usage();
}

static void open_tls(void)
{
    b.tls = SSL_CTX_new(TLS_client_method());
    if (!b.tls || SSL_CTX_load_verify_file(b.tls, b.ca_file) != 1)
        bench_fail(ME, "the file of --ca-file cannot be used");
    SSL_CTX_set_verify(b.tls, SSL_VERIFY_PEER, NULL);
}

static void begin_tls(struct conn *c)
{
    char name[64];
    snprintf(name, sizeof(name), BENCH_NAME, c->number % b.names);
    c->ssl = SSL_new(b.tls);
    if (!c->ssl || SSL_set_tlsext_host_name(c->ssl, name) != 1 ||
        SSL_set1_host(c->ssl, name) != 1 || SSL_set_fd(c->ssl, c->fd) != 1)
        bench_fail(ME, "OpenSSL cannot make a connection");
    SSL_set_connect_state(c->ssl);
}

static void begin(struct conn *c)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)b.port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    *c = (struct conn){.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0),
                       .shaken = !b.tls,
                       .number = b.begun++};
    if (c->fd < 0 ||
        (connect(c->fd, (struct sockaddr *)&to, sizeof(to)) < 0 && errno != EINPROGRESS))
        bench_fail(ME, strerror(errno));
    if (b.tls)
        begin_tls(c);
    struct epoll_event e = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c};
    if (epoll_ctl(b.epoll, EPOLL_CTL_ADD, c->fd, &e) < 0)
        bench_fail(ME, strerror(errno));
}

static void end(struct conn *c)
{
    b.ok += c->good;
    b.ended++;
    SSL_free(c->ssl);
    close(c->fd);
    if (b.begun < b.count)
        begin(c);
}

static void send_request(struct conn *c)
{
    char request[256];
    int n = snprintf(request, sizeof(request),
                     "GET /ok HTTP/1.1\r\nHost: " BENCH_NAME ":%ld\r\nAccept: */*\r\n"
                     "Connection: close\r\n\r\n",
                     c->number % b.names, b.port);
    c->sent = true;
    if (c->ssl)
        (void)SSL_write(c->ssl, request, n);
    else
        (void)send(c->fd, request, (size_t)n, MSG_NOSIGNAL);
}

/* > 0: bytes; 0: the end; < 0: not now. An error counts as the end. */
static int take(struct conn *c, char *buf, size_t size)
{
    if (!c->ssl) {
        ssize_t n = recv(c->fd, buf, size, 0);
        return n < 0 && errno != EAGAIN ? 0 : (int)n;
    }
    int n = SSL_read(c->ssl, buf, (int)size);
    return n > 0 ? n : SSL_get_error(c->ssl, n) == SSL_ERROR_WANT_READ ? -1 : 0;
}

static void read_answer(struct conn *c)
{
    static char buf[16384];
    int n;
    while ((n = take(c, buf, sizeof(buf))) > 0)
        c->good |= n > 12 && memcmp(buf, "HTTP/1.1 200", 12) == 0;
    if (n == 0)
        end(c);
}

static void on_event(struct conn *c, uint32_t events)
{
    if (!c->shaken) {
        int n = SSL_do_handshake(c->ssl);
        if (n != 1) {
            if (SSL_get_error(c->ssl, n) != SSL_ERROR_WANT_READ)
                end(c);
            return;
        }
        c->shaken = true;
    }
    if (!c->sent && (c->ssl || events & EPOLLOUT))
        send_request(c);
    if (c->sent)
        read_answer(c);
}

static void run(struct conn *conns)
{
    for (long i = 0; i < b.window && i < b.count; i++)
        begin(&conns[i]);
    while (b.ended < b.count) {
        struct epoll_event events[64];
        int n = epoll_wait(b.epoll, events, 64, 10000);
        if (n == 0)
            bench_fail(ME, "nothing came for 10 s; is the server there?");
        for (int i = 0; i < n; i++)
            on_event(events[i].data.ptr, events[i].events);
    }
}

int main(int argc, char **argv)
{
    read_options(argc, argv);
    signal(SIGPIPE, SIG_IGN);
    if (b.ca_file)
        open_tls();
    b.epoll = epoll_create1(EPOLL_CLOEXEC);
    struct conn *conns = calloc((size_t)b.window, sizeof(*conns));
    if (b.epoll < 0 || !conns)
        bench_fail(ME, strerror(errno));
    double cpu = bench_cpu_s();
    struct mono start = mono_now();
    run(conns);
    printf("probes=%ld ok=%ld rate=%.0f/s cpu_s_per_1000=%.4f\n", b.count, b.ok,
           (double)b.count / bench_seconds_since(start),
           (bench_cpu_s() - cpu) * 1000 / (double)b.count);
    SSL_CTX_free(b.tls);
    free(conns);
    return b.ok == b.count ? 0 : 1;
}
