/* SPDX-License-Identifier: MIT */
#include "tests/bench/bench_client.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

/*
 * floor_dns - the least that COUNT questions for an A record of distinct names can cost: one
 * connected UDP socket, WINDOW questions under way, the next sent for each answer. The answer's id
 * and rcode are looked at, nothing else.
 *
 *     floor_dns PORT [COUNT [WINDOW [NAMES]]]
 */
#define ME          "floor_dns"
#define COUNT_MAX   100000000
#define WINDOW_MAX  200 /* answers that the socket's default buffer holds */
#define NAMES_MAX   1000000
#define RCODE_MASK  0x0f
#define HEADER_SIZE 12

static size_t put_question(uint8_t *m, long number, long names)
{
    static const uint8_t head[HEADER_SIZE] = {0, 0, 1, 0, 0, 1};
    char name[64];
    snprintf(name, sizeof(name), BENCH_NAME, number % names);
    memcpy(m, head, sizeof(head));
    m[0] = (uint8_t)(number >> 8);
    m[1] = (uint8_t)number;
    size_t at = HEADER_SIZE;
    for (const char *p = name; *p;) {
        size_t n = strcspn(p, ".");
        m[at++] = (uint8_t)n;
        memcpy(m + at, p, n);
        at += n;
        p += n + (p[n] == '.');
    }
    static const uint8_t tail[] = {0, 0, 1, 0, 1}; /* the root, A, IN */
    memcpy(m + at, tail, sizeof(tail));
    return at + sizeof(tail);
}

static int open_socket(long port)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval patience = {.tv_sec = 2};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0)
        bench_fail(ME, strerror(errno));
    return fd;
}

static void ask(int fd, long number, long names)
{
    uint8_t m[512];
    size_t n = put_question(m, number, names);
    if (send(fd, m, n, 0) != (ssize_t)n)
        bench_fail(ME, strerror(errno));
}

/* Good answers. */
static long run(int fd, long count, long window, long names)
{
    long sent = 0, good = 0;
    uint8_t m[4096];
    while (sent < count && sent < window)
        ask(fd, sent++, names);
    for (long got = 0; got < count; got++) {
        ssize_t n = recv(fd, m, sizeof(m), 0);
        if (n < 0)
            bench_fail(ME, "no answer for 2 s; is the server there?");
        uint16_t behind = (uint16_t)(sent - (m[0] << 8 | m[1]));
        good += n > HEADER_SIZE && (m[3] & RCODE_MASK) == 0 && behind <= 2 * window;
        if (sent < count)
            ask(fd, sent++, names);
    }
    return good;
}

int main(int argc, char **argv)
{
    if (argc < 2 || argc > 5) {
        fprintf(stderr, "usage: floor_dns PORT [COUNT [WINDOW [NAMES]]]\n");
        return 2;
    }
    int fd = open_socket(bench_number(ME, argv[1], UINT16_MAX));
    long count = argc > 2 ? bench_number(ME, argv[2], COUNT_MAX) : 100000;
    long window = argc > 3 ? bench_number(ME, argv[3], WINDOW_MAX) : 64;
    long names = argc > 4 ? bench_number(ME, argv[4], NAMES_MAX) : 2000;
    double cpu = bench_cpu_s();
    struct mono start = mono_now();
    long good = run(fd, count, window, names);
    printf("probes=%ld ok=%ld rate=%.0f/s cpu_s_per_1000=%.4f\n", count, good,
           (double)count / bench_seconds_since(start),
           (bench_cpu_s() - cpu) * 1000 / (double)count);
    close(fd);
    return good == count ? 0 : 1;
}
