/* SPDX-License-Identifier: MIT */
#include "common/clock.h"
#include "common/heap.h"
#include "common/mem.h"
#include "common/random.h"
#include "common/signals.h"
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/*
 * bad_wire - a cable between two network namespaces that delays, reorders, doubles and loses
 * packets. It is what tc's netem would be, for kernels that have none.
 *
 *     bad_wire [options] NETNS:DEVICE NETNS:DEVICE      no NETNS: the one it is started in
 *
 * Each end is a TUN device; addresses and routes are the caller's affair. It says "ready" when both
 * are there. At its end (SIGTERM) they go, and it says what it did as one line of JSON. What is
 * under way is bounded by QUEUE_MAX packets; beyond that they are lost, like at any router.
 */
#define PACKET_MAX 65536
#define QUEUE_MAX  16384
#define DOWN_MS    10 /* a device that is down has an error all the time: it is asked this often */

static const char usage[] =
    "bad_wire [options] NETNS:DEVICE NETNS:DEVICE\n"
    "  --delay-ms N      each packet waits N ms\n"
    "  --jitter-ms N     … more or less than that, evenly spread: so packets overtake each other\n"
    "  --early PERCENT   so many do not wait at all\n"
    "  --double PERCENT  so many come twice\n"
    "  --loss PERCENT    so many do not come\n"
    "  --seed N          of what is left to chance (it is said at the start otherwise)\n";

struct packet {
    struct heap_node node; /* by when it is due */
    uint64_t number;       /* in its direction, in the order of coming in */
    unsigned to;
    size_t len;
    unsigned char bytes[];
};

struct wire {
    double delay_ms, jitter_ms, early, twice, loss; /* the last three in percent */
    struct rng rng;
    int fds[2];
    struct heap queue;
    struct {
        uint64_t came, last_sent; /* numbers of packets */
        uint64_t sent, lost, doubled, overtaken, refused;
    } way[2]; /* by where they go to */
    unsigned char buf[PACKET_MAX];
};

static void fail(const char *what, const char *which)
{
    fprintf(stderr, "bad_wire: %s %s: %s\n", what, which, strerror(errno));
    exit(EXIT_FAILURE);
}

/* ---- the ends */

static void enter(const char *netns)
{
    char path[PATH_MAX];
    if (netns[0] == '\0')
        snprintf(path, sizeof(path), "/proc/self/ns/net");
    else
        snprintf(path, sizeof(path), "/run/netns/%s", netns);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || (netns[0] != '\0' && setns(fd, CLONE_NEWNET) != 0))
        fail("the namespace cannot be entered:", netns);
    close(fd);
}

/* A device belongs to the namespace in which /dev/net/tun was opened. */
static int open_device(const char *name)
{
    struct ifreq r = {.ifr_flags = IFF_TUN | IFF_NO_PI};
    int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
    if (fd < 0 || ioctl(fd, TUNSETIFF, &r) != 0)
        fail("no TUN device to be had:", name);
    return fd;
}

static int open_end(const char *text)
{
    char netns[NAME_MAX] = "";
    const char *colon = strchr(text, ':');
    if (!colon || colon - text >= NAME_MAX || strlen(colon + 1) >= IFNAMSIZ) {
        fputs(usage, stderr);
        exit(EXIT_FAILURE);
    }
    memcpy(netns, text, (size_t)(colon - text));
    int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    enter(netns);
    int fd = open_device(colon + 1);
    if (home < 0 || setns(home, CLONE_NEWNET) != 0)
        fail("the way back is lost:", netns);
    close(home);
    return fd;
}

/* ---- what it does to packets */

static double chance(struct wire *w) /* in [0, 100) */
{
    return (double)rng_below(&w->rng, 1000000) / 10000;
}

static int64_t due_ns(struct wire *w, struct mono now)
{
    double ms = w->delay_ms + w->jitter_ms * (chance(w) / 50 - 1);
    if (ms < 0 || chance(w) < w->early)
        ms = 0;
    return now.ns + (int64_t)(ms * NS_PER_MS);
}

static void enqueue(struct wire *w, unsigned to, size_t len, struct mono now)
{
    if (w->queue.count >= QUEUE_MAX) {
        w->way[to].refused++;
        return;
    }
    struct packet *p = mem_alloc(sizeof(*p) + len);
    *p = (struct packet){.number = w->way[to].came, .to = to, .len = len};
    memcpy(p->bytes, w->buf, len);
    heap_insert(&w->queue, &p->node, due_ns(w, now));
}

static void take(struct wire *w, unsigned from)
{
    unsigned to = 1 - from;
    ssize_t n;
    while ((n = read(w->fds[from], w->buf, sizeof(w->buf))) > 0) {
        struct mono now = mono_now();
        w->way[to].came++;
        if (chance(w) < w->loss) {
            w->way[to].lost++;
            continue;
        }
        enqueue(w, to, (size_t)n, now);
        if (chance(w) >= w->twice)
            continue;
        w->way[to].doubled++;
        enqueue(w, to, (size_t)n, now);
    }
}

static void send_packet(struct wire *w, struct packet *p)
{
    unsigned to = p->to;
    w->way[to].overtaken += p->number < w->way[to].last_sent;
    if (p->number > w->way[to].last_sent)
        w->way[to].last_sent = p->number;
    if (write(w->fds[to], p->bytes, p->len) == (ssize_t)p->len)
        w->way[to].sent++;
    else
        w->way[to].refused++; /* its device is down */
}

static void send_due(struct wire *w, struct mono now)
{
    struct heap_node *n;
    while ((n = heap_min(&w->queue)) && n->key <= now.ns) {
        struct packet *p = (struct packet *)((char *)n - offsetof(struct packet, node));
        heap_remove(&w->queue, n);
        send_packet(w, p);
        free(p);
    }
}

/* ---- the loop */

static struct timespec until_due(const struct wire *w, struct mono now)
{
    const struct heap_node *n = heap_min(&w->queue);
    int64_t ns = !n ? NS_PER_SEC : n->key > now.ns ? n->key - now.ns : 0;
    return (struct timespec){.tv_sec = ns / NS_PER_SEC, .tv_nsec = ns % NS_PER_SEC};
}

static void run(struct wire *w, int signals)
{
    struct pollfd fds[] = {{.fd = w->fds[0], .events = POLLIN},
                           {.fd = w->fds[1], .events = POLLIN},
                           {.fd = signals, .events = POLLIN}};
    while (signals_read(signals) == 0) {
        struct timespec wait = until_due(w, mono_now());
        if (ppoll(fds, 3, &wait, NULL) < 0 && errno != EINTR)
            fail("cannot wait for", "packets");
        if ((fds[0].revents | fds[1].revents) & POLLERR)
            poll(NULL, 0, DOWN_MS);
        take(w, 0);
        take(w, 1);
        send_due(w, mono_now());
    }
}

static void tell(const struct wire *w)
{
    uint64_t all[5] = {0};
    for (int i = 0; i < 2; i++) {
        all[0] += w->way[i].sent;
        all[1] += w->way[i].lost;
        all[2] += w->way[i].doubled;
        all[3] += w->way[i].overtaken;
        all[4] += w->way[i].refused;
    }
    printf("{\"sent\":%lu,\"lost\":%lu,\"doubled\":%lu,\"overtaken\":%lu,\"refused\":%lu}\n",
           all[0], all[1], all[2], all[3], all[4]);
}

static void forget(struct wire *w)
{
    struct heap_node *n;
    while ((n = heap_min(&w->queue))) {
        heap_remove(&w->queue, n);
        free((char *)n - offsetof(struct packet, node));
    }
    heap_fini(&w->queue);
    close(w->fds[0]);
    close(w->fds[1]);
}

static double number(const char *text, double max)
{
    char *end;
    double d = strtod(text, &end);
    if (*text == '\0' || *end != '\0' || !(d >= 0 && d <= max)) {
        fprintf(stderr, "bad_wire: '%s' is no number from 0 to %g\n%s", text, max, usage);
        exit(EXIT_FAILURE);
    }
    return d;
}

static void read_options(struct wire *w, int argc, char **argv)
{
    static const struct option all[] = {{"delay-ms", 1, NULL, 'd'}, {"jitter-ms", 1, NULL, 'j'},
                                        {"early", 1, NULL, 'e'},    {"double", 1, NULL, 't'},
                                        {"loss", 1, NULL, 'l'},     {"seed", 1, NULL, 's'},
                                        {NULL, 0, NULL, 0}};
    uint64_t seed = random_u64() % UINT32_MAX;
    for (int c; (c = getopt_long(argc, argv, "", all, NULL)) != -1;) {
        double *into = c == 'd'   ? &w->delay_ms
                       : c == 'j' ? &w->jitter_ms
                       : c == 'e' ? &w->early
                       : c == 't' ? &w->twice
                       : c == 'l' ? &w->loss
                                  : NULL;
        if (into)
            *into = number(optarg, c == 'd' || c == 'j' ? 60000 : 100);
        else if (c == 's')
            seed = (uint64_t)number(optarg, UINT32_MAX);
        else
            optind = argc; /* getopt has said what is wrong */
    }
    if (argc - optind != 2) {
        fputs(usage, stderr);
        exit(EXIT_FAILURE);
    }
    fprintf(stderr, "bad_wire: seed %lu\n", seed);
    rng_init(&w->rng, seed);
}

int main(int argc, char **argv)
{
    static struct wire w;
    signals_block();
    read_options(&w, argc, argv);
    heap_init(&w.queue);
    for (int i = 0; i < 2; i++)
        w.fds[i] = open_end(argv[optind + i]);
    int signals = signals_open_fd();
    puts("ready");
    fflush(stdout);
    run(&w, signals);
    close(signals);
    tell(&w);
    forget(&w);
    return EXIT_SUCCESS;
}
