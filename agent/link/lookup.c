/* SPDX-License-Identifier: MIT */
#include "agent/link/lookup.h"
#include "common/mem.h"
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* `lock` guards result, ready and abandoned. Whoever comes last of owner and thread frees. wake
 * runs under it, so that the owner cannot go away meanwhile; it must be quick and take no lock of
 * the owner's. */
struct lookup {
    pthread_mutex_t lock;
    char *host;
    void (*wake)(void *arg);
    void *arg;
    struct lookup_result result;
    bool ready, abandoned;
};

static void destroy(struct lookup *l)
{
    PTOK(pthread_mutex_destroy(&l->lock));
    free(l->host);
    free(l);
}

static void resolve(const char *host, struct lookup_result *out)
{
    struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    struct addrinfo *list = NULL;
    uint16_t port;
    if (ip_parse(host, &out->ips[0]) == ERR_NONE) {
        out->n = 1;
        return;
    }
    int rc = getaddrinfo(host, NULL, &hints, &list);
    for (struct addrinfo *a = rc == 0 ? list : NULL; a && out->n < LOOKUP_MAX; a = a->ai_next)
        if (ip_from_sockaddr(a->ai_addr, &out->ips[out->n], &port))
            out->n++;
    if (out->n == 0)
        snprintf(out->problem, sizeof(out->problem), "%s",
                 rc ? gai_strerror(rc) : "it has no address");
    if (list)
        freeaddrinfo(list);
}

static void *run(void *arg)
{
    struct lookup *l = arg;
    struct lookup_result r = {0};
    PTOK(pthread_setname_np(pthread_self(), "lookup"));
    resolve(l->host, &r);
    PTOK(pthread_mutex_lock(&l->lock));
    bool abandoned = l->abandoned;
    l->result = r;
    l->ready = true;
    if (!abandoned)
        l->wake(l->arg);
    PTOK(pthread_mutex_unlock(&l->lock));
    if (abandoned)
        destroy(l);
    return NULL;
}

struct lookup *lookup_start(const char *host, void (*wake)(void *arg), void *arg)
{
    REQUIRE(host != NULL && wake != NULL);
    struct lookup *l = mem_zalloc(sizeof(*l));
    pthread_t thread;
    l->host = mem_strdup(host);
    l->wake = wake;
    l->arg = arg;
    PTOK(pthread_mutex_init(&l->lock, NULL));
    if (pthread_create(&thread, NULL, run, l) != 0) {
        destroy(l);
        return NULL;
    }
    PTOK(pthread_detach(thread));
    return l;
}

bool lookup_take(struct lookup **lp, struct lookup_result *out)
{
    struct lookup *l = *lp;
    REQUIRE(l != NULL);
    PTOK(pthread_mutex_lock(&l->lock));
    REQUIRE(!l->abandoned);
    bool ready = l->ready;
    if (ready)
        *out = l->result;
    PTOK(pthread_mutex_unlock(&l->lock));
    if (!ready)
        return false;
    destroy(l);
    *lp = NULL;
    return true;
}

void lookup_abandon(struct lookup **lp)
{
    struct lookup *l = *lp;
    if (!l)
        return;
    *lp = NULL;
    PTOK(pthread_mutex_lock(&l->lock));
    bool ready = l->ready;
    l->abandoned = true;
    PTOK(pthread_mutex_unlock(&l->lock));
    if (ready)
        destroy(l);
}
