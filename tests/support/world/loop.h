/* SPDX-License-Identifier: MIT */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * loop - one epoll loop for everything that the test world serves.
 *
 * One thread, one loop, so nothing is locked. A source is embedded in what owns the descriptor. A
 * source may close only itself while its callback runs: each descriptor appears once in a round of
 * events.
 */
struct source {
    int fd;
    void (*ready)(struct source *, uint32_t events);
    /* What is to happen later; at most one thing at a time for each source. */
    void (*due)(struct source *);
    uint64_t due_ms;
    struct source *next, *prev;
};

void loop_init(void);

/* Ends the program with a sentence when cond is false: a test world that is half there misleads. */
void loop_must(bool cond, const char *what);

void loop_add(struct source *s, uint32_t events);
void loop_change(struct source *s, uint32_t events);

/* Takes s out of the loop, cancels what is due and closes the descriptor. */
void loop_close(struct source *s);

void loop_later(struct source *s, unsigned delay_ms, void (*due)(struct source *));

/* A listening socket on addr ("127.0.0.1" or "::1"); port 0 picks one. -1 when that address is not
 * to be had. */
int loop_listen(const char *addr, uint16_t port, int type, int backlog);
uint16_t loop_port_of(int fd);

/* One of several sockets that are to have the same port number. */
struct loop_place {
    const char *addr;
    int type, backlog;
    bool may_lack; /* this machine need not have such an address */
};
enum { LOOP_PLACES = 3 };

/*
 * Listening sockets at all n places, with one port number, into fds; -1 at one that may lack. With
 * port 0 a number is looked for that all of them can have: what is free at one place may be taken
 * at another, by any program's outgoing connection or question. Ends the program when there is
 * none.
 */
void loop_listen_same(const struct loop_place *places, size_t n, uint16_t port, int *fds);

/* Runs until loop_stop(), SIGTERM or SIGINT. */
void loop_run(void);
void loop_stop(void);
