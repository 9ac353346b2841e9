/* SPDX-License-Identifier: MIT */
#include "master/serve.h"
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include "common/signals.h"
#include "master/alert/sender.h"
#include "master/api/api.h"
#include "master/auth/tokens.h"
#include "master/dev.h"
#include "master/hub/hub.h"

#define WHY_MAX   512
#define FDS_OTHER 2000 /* besides the agents: HTTP clients, handshakes, the store */
#define FDS_LEAST (FDS_OTHER + 16)
#define WATCH_MS  500 /* how often --dev looks after its agents */

/*
 * The store's threads run before there is a hub or an API to tell. A sweep's progress waits for the
 * hub (milliseconds, once, at start); room needs no waiting: who needs it asks.
 */
struct relay {
    pthread_mutex_t lock; /* all below */
    pthread_cond_t known;
    bool settled;
    struct hub *hub;
    struct api *api;
};
struct master {
    struct master_options *o;
    const char *dir;
    struct relay relay;
    struct store *store;
    struct store_boot boot;
    struct sender *sender;
    struct hub *hub;
    struct api *api;
    struct dev *dev;
    int signal_fd;
};

static void relay_settle(struct relay *r, struct hub *hub)
{
    PTOK(pthread_mutex_lock(&r->lock));
    r->settled = true;
    r->hub = hub;
    PTOK(pthread_cond_broadcast(&r->known));
    PTOK(pthread_mutex_unlock(&r->lock));
}

static void relay_api(struct relay *r, struct api *api)
{
    PTOK(pthread_mutex_lock(&r->lock));
    r->api = api;
    PTOK(pthread_mutex_unlock(&r->lock));
}

static void on_swept(void *arg, uint32_t batch, enum outcome outcome, uint64_t count, bool finished)
{
    struct relay *r = arg;
    PTOK(pthread_mutex_lock(&r->lock));
    while (!r->settled)
        PTOK(pthread_cond_wait(&r->known, &r->lock));
    struct hub *hub = r->hub;
    PTOK(pthread_mutex_unlock(&r->lock));
    if (hub != NULL)
        hub_on_swept(hub, batch, outcome, count, finished);
}

/* Under the lock, so that the API cannot be taken down meanwhile. */
static void on_room(void *arg)
{
    struct relay *r = arg;
    PTOK(pthread_mutex_lock(&r->lock));
    api_on_room(r->api);
    PTOK(pthread_mutex_unlock(&r->lock));
}

static enum err ask_hub(void *arg, struct core_req *r)
{
    return hub_post(arg, r);
}

static enum err ask_schedule(void *arg, struct schedule_req *r)
{
    return hub_post_schedule(arg, r);
}

static double lag_of_hub(void *arg)
{
    return hub_lag_ms(arg);
}

static struct mono tick_of_hub(void *arg)
{
    return hub_last_tick(arg);
}

static bool load_of_hub(void *arg)
{
    return hub_overloaded(arg);
}

/* ---- what must be there before */

/* lws keeps 16 bytes for each descriptor that is allowed: so many as are needed, not infinity. */
static bool allow_files(struct master_options *o, char *why)
{
    struct rlimit limit;
    rlim_t wanted = (rlim_t)o->max_agents + FDS_OTHER;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return true;
    if (limit.rlim_max < wanted) { /* root may */
        struct rlimit higher = {wanted, wanted};
        if (setrlimit(RLIMIT_NOFILE, &higher) == 0)
            return true;
    }
    if (limit.rlim_max < FDS_LEAST) {
        snprintf(why, WHY_MAX,
                 "the limit of open files is %llu and the master needs %d at least: raise it with "
                 "'ulimit -Hn 65536' or LimitNOFILE= in the unit",
                 (unsigned long long)limit.rlim_max, FDS_LEAST);
        return false;
    }
    if (limit.rlim_max < wanted) {
        o->max_agents = (int64_t)limit.rlim_max - FDS_OTHER;
        wanted = limit.rlim_max;
        LOG(LOG_WARN, "master", "max_agents_lowered", LI("max_agents", o->max_agents),
            LU("open_files_limit", limit.rlim_max));
    }
    limit.rlim_cur = wanted;
    return setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

static bool make_dir(const char *dir, char *why)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof(path), "%s", dir) >= (int)sizeof(path)) {
        snprintf(why, WHY_MAX, "the data directory's path is too long");
        return false;
    }
    for (char *p = path + 1; *p != '\0'; p++)
        if (*p == '/') {
            *p = '\0';
            (void)mkdir(path, 0755);
            *p = '/';
        }
    if (mkdir(path, 0700) == 0 || errno == EEXIST)
        return true;
    snprintf(why, WHY_MAX,
             "the data directory %s cannot be made: %s; make it, or choose another with --data",
             dir, strerror(errno));
    return false;
}

/* ---- building and taking down */

static bool build_store(struct master *m, char *why)
{
    struct store_config c = {.dir = m->dir,
                             .on_swept = on_swept,
                             .on_room = on_room,
                             .arg = &m->relay,
                             .retention_days = m->o->retention_days,
                             .schedule_retention_hours = m->o->schedule_retention,
                             .retention_bytes = m->o->retention_bytes,
                             .retention_grace_s = m->o->retention_grace_s,
                             .history_days = m->o->history_days};
    return store_open(&c, &m->store, &m->boot, why, WHY_MAX) == ERR_NONE &&
           token_first_admin(m->dir, why, WHY_MAX) == ERR_NONE;
}

static bool build_hub(struct master *m, char *why)
{
    m->sender = sender_create(m->store);
    struct hub_config c = {.listen = m->o->agents_listen,
                           .dir = m->dir,
                           .boot = &m->boot,
                           .max_agents = m->o->max_agents,
                           .deny = m->o->deny,
                           .n_deny = m->o->n_deny,
                           .on_alerts = sender_poke,
                           .alerts_arg = m->sender};
    if (hub_create(&c, &m->hub, why, WHY_MAX) != ERR_NONE)
        return false;
    relay_settle(&m->relay, m->hub);
    return true;
}

static bool build_api(struct master *m, char *why)
{
    struct api_config c = {.listen = m->o->listen,
                           .dir = m->dir,
                           .store = m->store,
                           .ask_core = ask_hub,
                           .ask_arg = m->hub,
                           .core_stats = hub_core_stats(m->hub),
                           .ask_schedule = ask_schedule,
                           .schedule_arg = m->hub,
                           .schedule_stats = hub_schedule_stats(m->hub),
                           .test_alert = sender_test,
                           .alert_arg = m->sender,
                           .alert_stats = sender_stats(m->sender),
                           .check_metrics = m->o->check_metrics,
                           .hub_lag_ms = lag_of_hub,
                           .hub_last_tick = tick_of_hub,
                           .overloaded = load_of_hub,
                           .hub_arg = m->hub,
                           .max_agents = m->o->max_agents,
                           .agents_port = hub_port(m->hub),
                           .body_max_bytes = m->o->body_max,
                           .open_tasks_max = m->o->max_open_tasks,
                           .trusted_proxies = m->o->trusted_proxies};
    if (api_create(&c, &m->api, why, WHY_MAX) != ERR_NONE)
        return false;
    relay_api(&m->relay, m->api);
    return true;
}

static bool build(struct master *m, char *why)
{
    bool ok = allow_files(m->o, why) && make_dir(m->dir, why) && build_store(m, why) &&
              build_hub(m, why) && build_api(m, why);
    store_boot_fini(&m->boot);
    return ok;
}

/* The API first: its requests are answered by the hub and the store, which outlive it. */
static void take_down(struct master *m)
{
    relay_api(&m->relay, NULL);
    api_destroy(&m->api);
    relay_settle(&m->relay, m->hub);
    sender_stop(m->sender);
    store_close(&m->store);
    sender_destroy(&m->sender);
    hub_destroy(&m->hub);
    dev_stop(&m->dev);
}

/* ---- running */

static void watch(struct master *m)
{
    for (;;) {
        struct pollfd p = {.fd = m->signal_fd, .events = POLLIN};
        (void)poll(&p, 1, m->dev != NULL ? WATCH_MS : API_TICK_MS);
        int sig = signals_read(m->signal_fd);
        api_tick(m->api);
        if (sig == SIGTERM || sig == SIGINT) {
            LOG(LOG_INFO, "master", "stopping", LS("signal", sig == SIGTERM ? "SIGTERM" : "SIGINT"),
                LS("meaning", "a second one ends it at once"));
            return;
        }
        if (m->dev != NULL)
            dev_watch(m->dev);
    }
}

/* From here on a signal does what it does by default: it ends the process. */
static void unblock_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    PTOK(pthread_sigmask(SIG_UNBLOCK, &set, NULL));
}

static void serve(struct master *m)
{
    hub_start(m->hub, m->store);
    LOG(LOG_INFO, "master", "ready", LS("version", SONDE_VERSION), LS("api", m->o->listen),
        LS("agents", m->o->agents_listen), LS("data", m->dir), LI("max_agents", m->o->max_agents));
    if (m->o->dev)
        m->dev = dev_start(&(struct dev_config){m->dir, m->o->listen, m->o->agents_listen,
                                                (unsigned)m->o->dev_agents});
    watch(m);
    unblock_signals();
    api_drain(m->api);
    hub_stop(m->hub);
}

int serve_run(struct master_options *o)
{
    struct master m = {.o = o, .dir = master_options_data(o)};
    char why[WHY_MAX] = "";
    PTOK(pthread_mutex_init(&m.relay.lock, NULL));
    PTOK(pthread_cond_init(&m.relay.known, NULL));
    m.signal_fd = signals_open_fd();
    bool ok = build(&m, why);
    if (ok)
        serve(&m);
    else
        fprintf(stderr, "sonde-master: %s\n", why);
    take_down(&m);
    close(m.signal_fd);
    LOG(LOG_INFO, "master", ok ? "stopped" : "not_started");
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
