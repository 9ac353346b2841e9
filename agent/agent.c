/* SPDX-License-Identifier: MIT */
#include "agent/agent.h"
#include "agent/instance.h"
#include "agent/link/link.h"
#include "agent/page/page.h"
#include "common/digest.h"
#include "common/random.h"
#include <stdio.h>
#include <string.h>

/* Results that may wait for the master: several times what runs, and a few minutes of a slow store.
 */
#define OUTBOX_RESULTS_MIN 4096
#define OUTBOX_BYTES       (128u << 20) /* of memory, when there is no spool to say it */
#define DATA_DIR_MAX       4096

static bool open_instance(const struct agent_options *o, char dir[DATA_DIR_MAX],
                          char id[INSTANCE_ID_LEN + 1])
{
    char why[8192] = "there is no home directory for the data: give --data DIR";
    enum err e = ERR_NONE;
    if (o->data)
        snprintf(dir, DATA_DIR_MAX, "%s", o->data);
    else
        e = instance_default_dir(o->name, dir, DATA_DIR_MAX);
    if (e == ERR_NONE)
        e = instance_open(dir, id, why, sizeof(why));
    if (e == ERR_NONE)
        e = agent_options_raise_limits(o, why, sizeof(why));
    if (e != ERR_NONE)
        fprintf(stderr, "sonde-agent: %s\n", why);
    return e == ERR_NONE;
}

static bool open_page(const struct agent_options *o, struct page **out)
{
    char why[512];
    *out = NULL;
    if (!o->metrics_listen ||
        page_create(o->metrics_listen, o->name, out, why, sizeof(why)) == ERR_NONE)
        return true;
    fprintf(stderr, "sonde-agent: %s\n", why);
    return false;
}

static size_t outbox_results(const struct agent_options *o)
{
    size_t n = (size_t)(o->workers * o->slots) * 4;
    if (n < OUTBOX_RESULTS_MIN)
        return OUTBOX_RESULTS_MIN;
    return n > INFLIGHT_MAX ? INFLIGHT_MAX : n;
}

int agent_run(const struct agent_options *o, struct policy *policy)
{
    char instance[INSTANCE_ID_LEN + 1], run_id[INSTANCE_ID_LEN + 1];
    uint8_t random[INSTANCE_ID_LEN / 2];
    char dir[DATA_DIR_MAX], spool_dir[DATA_DIR_MAX + 8];
    struct page *page;
    if (!open_instance(o, dir, instance) || !open_page(o, &page))
        return 2;
    snprintf(spool_dir, sizeof(spool_dir), "%s/spool", dir);
    random_bytes(random, sizeof(random));
    hex_encode(random, sizeof(random), run_id);
    struct link_config c = {
        .master = o->master,
        .token_file = o->token_file,
        .ca_file = o->ca_file,
        .page = page,
        .work.session = {.agent = o->name,
                         .instance = instance,
                         .run_id = run_id,
                         .version = SONDE_VERSION,
                         .n_tags = o->n_tags,
                         .outbox_results = outbox_results(o),
                         .outbox_bytes = o->spool_bytes ? (size_t)o->spool_bytes : OUTBOX_BYTES},
        .work.spool = {.dir = o->spool_bytes ? spool_dir : NULL,
                       .max_bytes = (size_t)o->spool_bytes},
        .work.canaries = (const char *const *)o->canary_texts.items,
        .work.n_canaries = (unsigned)o->canary_texts.count,
        .work.pool = {.workers = (unsigned)o->workers,
                      .slots = (unsigned)o->slots,
                      .policy = policy,
                      .ca_file = o->ca_file,
                      .resolver = o->resolver,
                      .kinds = {[TARGET_HTTP] = &probe_http, [TARGET_DNS] = &probe_dns}},
    };
    memcpy(c.work.session.tags, o->tags, sizeof(o->tags));
    LOG(LOG_INFO, "agent", "start", LS("name", o->name), LS("version", SONDE_VERSION),
        LS("master", o->master), LS("instance", instance), LI("workers", o->workers),
        LI("slots", o->slots));
    int rc = link_run(&c);
    page_destroy(&page);
    LOG(LOG_INFO, "agent", "end", LI("code", rc));
    return rc;
}
