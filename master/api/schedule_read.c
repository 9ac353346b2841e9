/* SPDX-License-Identifier: MIT */
#include "master/api/schedule_read.h"
#include "common/require.h"
#include <pthread.h>
#include <stdio.h>

static void read_it(struct schedule_read *x)
{
    struct json_doc *d = NULL;
    x->err = json_parse(x->text, x->len, &d, x->problem.why, sizeof(x->problem.why));
    x->no_json = x->err != ERR_NONE;
    if (x->no_json)
        return;
    x->err = schedule_parse(json_root(d), x->name, x->admin, x->now_s, &x->schedule, &x->targets,
                            &x->problem);
    json_free(&d);
}

static void *run(void *arg)
{
    struct schedule_read *x = arg;
    pthread_setname_np(pthread_self(), "definition");
    read_it(x);
    x->done(x->arg);
    return NULL;
}

bool schedule_read_start(struct schedule_read *x)
{
    pthread_t t;
    REQUIRE(!x->threaded && x->done != NULL);
    /* Without a thread it takes longer for all, and is right still. */
    if (x->len > SCHEDULE_READ_HERE && pthread_create(&t, NULL, run, x) == 0) {
        x->thread = t;
        x->threaded = true;
        return false;
    }
    read_it(x);
    return true;
}

void schedule_read_join(struct schedule_read *x)
{
    if (!x->threaded)
        return;
    PTOK(pthread_join(x->thread, NULL));
    x->threaded = false;
}

void schedule_read_fini(struct schedule_read *x)
{
    schedule_read_join(x);
    schedule_free(&x->schedule);
    schedule_targets_free(&x->targets);
}
