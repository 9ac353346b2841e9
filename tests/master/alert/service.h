/* SPDX-License-Identifier: MIT */
#pragma once
#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>
#include "common/clock.h"
#include "common/mem.h"
#include "tests/support/check_main.h"

/*
 * service - an HTTP service on loopback that is sent messages: it remembers them, answers with the
 * statuses that it was told in turn (then 200), and holds its answers to /slow back while it is
 * told so.
 */
#define SERVICE_POSTS   1024
#define SERVICE_WAIT_MS 30000

struct service_post {
    char path[32], key[96]; /* key: X-Sonde-Delivery */
    int status;
};
static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int fd, port;
    struct service_post posts[SERVICE_POSTS];
    unsigned n;
    int statuses[16];
    unsigned n_statuses, at_status;
    bool hold;
} service = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

/* Up to the end of the body; what it says of it. */
static inline bool service_read(int fd, char *text, size_t max)
{
    size_t n = 0;
    for (;;) {
        ssize_t got = recv(fd, text + n, max - 1 - n, 0);
        if (got <= 0)
            return false;
        n += (size_t)got;
        text[n] = '\0';
        const char *body = strstr(text, "\r\n\r\n"), *length = strstr(text, "Content-Length: ");
        if (body != NULL && length != NULL &&
            strlen(body + 4) >= strtoul(length + strlen("Content-Length: "), NULL, 10))
            return true;
    }
}

static inline void service_note(const char *text)
{
    const char *key = strstr(text, "X-Sonde-Delivery: ");
    struct service_post *p = &service.posts[service.n];
    REQUIRE(service.n < SERVICE_POSTS);
    *p = (struct service_post){.status = 200};
    if (service.at_status < service.n_statuses)
        p->status = service.statuses[service.at_status++];
    sscanf(text, "POST %31s", p->path);
    if (key != NULL)
        sscanf(key, "X-Sonde-Delivery: %95[^\r]", p->key);
    service.n++;
}

static inline void *service_serve(void *arg)
{
    int fd = (int)(intptr_t)arg;
    char text[8192], answer[128];
    if (service_read(fd, text, sizeof(text))) {
        PTOK(pthread_mutex_lock(&service.lock));
        int status = 0;
        service_note(text);
        status = service.posts[service.n - 1].status;
        PTOK(pthread_cond_broadcast(&service.changed));
        while (service.hold && strstr(text, "POST /slow") != NULL)
            PTOK(pthread_cond_wait(&service.changed, &service.lock));
        PTOK(pthread_mutex_unlock(&service.lock));
        int n = snprintf(answer, sizeof(answer),
                         "HTTP/1.1 %d X\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", status);
        (void)!send(fd, answer, (size_t)n, MSG_NOSIGNAL);
    }
    close(fd);
    return NULL;
}

static inline void *service_accept(void *arg)
{
    int fd;
    pthread_t t;
    while ((fd = accept(service.fd, NULL, NULL)) >= 0) {
        PTOK(pthread_create(&t, NULL, service_serve, (void *)(intptr_t)fd));
        PTOK(pthread_detach(t));
    }
    return arg;
}

static inline void service_start(void)
{
    struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(sin);
    pthread_t t;
    service.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(service.fd, (struct sockaddr *)&sin, len), 0);
    ck_assert_int_eq(listen(service.fd, 128), 0);
    ck_assert_int_eq(getsockname(service.fd, (struct sockaddr *)&sin, &len), 0);
    service.port = ntohs(sin.sin_port);
    PTOK(pthread_create(&t, NULL, service_accept, NULL));
    PTOK(pthread_detach(t));
}

/* The next answers. */
static inline void service_says(const int *statuses, unsigned n)
{
    PTOK(pthread_mutex_lock(&service.lock));
    memcpy(service.statuses, statuses, n * sizeof(*statuses));
    service.n_statuses = n;
    service.at_status = 0;
    PTOK(pthread_mutex_unlock(&service.lock));
}
#define SERVICE_SAYS(...)                                                                          \
    service_says((const int[]){__VA_ARGS__}, sizeof((int[]){__VA_ARGS__}) / sizeof(int))

static inline void service_hold(bool hold)
{
    PTOK(pthread_mutex_lock(&service.lock));
    service.hold = hold;
    PTOK(pthread_cond_broadcast(&service.changed));
    PTOK(pthread_mutex_unlock(&service.lock));
}

/* How many it was sent to this path (NULL: any), with this key (NULL: any). */
static inline unsigned service_count(const char *path, const char *key)
{
    unsigned n = 0;
    PTOK(pthread_mutex_lock(&service.lock));
    for (unsigned i = 0; i < service.n; i++)
        n += (path == NULL || strcmp(service.posts[i].path, path) == 0) &&
             (key == NULL || strcmp(service.posts[i].key, key) == 0);
    PTOK(pthread_mutex_unlock(&service.lock));
    return n;
}

static inline void service_wait(const char *path, unsigned n)
{
    struct mono until = mono_add_ms(mono_now(), SERVICE_WAIT_MS);
    while (service_count(path, NULL) < n) {
        ck_assert_msg(mono_before(mono_now(), until), "%u of %u came", service_count(path, NULL),
                      n);
        usleep(2000);
    }
}
