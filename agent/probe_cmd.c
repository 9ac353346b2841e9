/* SPDX-License-Identifier: MIT */
#include "agent/probe_cmd.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "agent/run/pool.h"
#include "common/screen.h"
#include "common/text.h"
#include "proto/result_view.h"

#define EXIT_OK     0
#define EXIT_FAILED 1
#define EXIT_USAGE  2
/* The target's own time-out always comes first. */
#define TASK_DEADLINE_MS (2 * TIMEOUT_MS_MAX)
#define OBJECT_MAX       (4 * SPEC_MAX_BYTES) /* escapes lengthen a body and PEM */
#define RECORD_MAX       (RESULT_MAX_BYTES + 6 * URI_MAX + 64)
#define PAGE_MAX         (4u << 20) /* a record whose every line is indented */
#define WHY_MAX          1024

static enum err make_target(const struct probe_cmd_options *o, struct target **out, char *why,
                            size_t why_max)
{
    struct strbuf b;
    struct json_doc *doc = NULL;
    struct target_problem p = {.code = NULL};
    strbuf_init(&b, OBJECT_MAX);
    enum err e = target_flags_encode(o->flags, o->target, &b, why, why_max);
    if (e == ERR_NONE)
        e = json_parse(b.data, b.len, &doc, why, why_max);
    if (e == ERR_NONE) {
        e = target_from_json(json_root(doc), NULL, out, &p);
        if (e != ERR_NONE)
            target_flags_explain(o->flags, p.detail, why, why_max);
    }
    json_free(&doc);
    explicit_bzero(b.data, b.len);
    strbuf_fini(&b);
    return e;
}

static void on_done(void *arg)
{
    uint64_t one = 1;
    const int *fd = arg;
    REQUIRE(fd != NULL && write(*fd, &one, sizeof(one)) == sizeof(one));
}

static struct job *wait_for_job(struct pool *p, int fd)
{
    struct list done;
    uint64_t n;
    list_init(&done);
    while (pool_take_done(p, &done, mono_now()) == 0)
        REQUIRE(read(fd, &n, sizeof(n)) == sizeof(n) || errno == EINTR);
    REQUIRE(done.count == 1);
    return CONTAINER_OF(list_pop_front(&done), struct job, letter.node);
}

/* Takes t. NULL: the pool could not start (logged). */
static struct job *run_one(const struct probe_cmd_options *o, struct target *t, int fd)
{
    struct pool_config c = {
        .workers = 1,
        .slots = 1,
        .policy = o->policy,
        .ca_file = o->ca_file,
        .resolver = o->resolver,
        .kinds = {[TARGET_HTTP] = &probe_http, [TARGET_DNS] = &probe_dns},
        .on_done = on_done,
        .on_done_arg = &fd,
    };
    struct pool *p = NULL;
    struct mono now = mono_now();
    if (pool_create(&c, &p) != ERR_NONE) {
        target_destroy(&t);
        return NULL;
    }
    struct job *j =
        job_create(1, NULL, CLASS_INTERACTIVE, t, now, mono_add_ms(now, TASK_DEADLINE_MS));
    enum err e = pool_submit(p, j, now);
    REQUIRE(e == ERR_NONE); /* the pool is empty */
    j = wait_for_job(p, fd);
    pool_destroy(&p);
    return j;
}

/* The record with the target in it, as the API shows one: what the page is made of too. */
static void write_record(const struct job *j, struct strbuf *b)
{
    struct json_out w;
    struct strbuf record;
    strbuf_init(&record, RESULT_MAX_BYTES);
    result_encode(j->result, wall_now(), &record);
    REQUIRE(record.len > 2 && record.data[0] == '{');
    json_out_init(&w, b);
    json_obj_begin(&w);
    json_str(&w, "target", j->target->uri);
    strbuf_putc(b, ',');
    strbuf_append(b, record.data + 1, record.len - 1);
    strbuf_fini(&record);
    REQUIRE(!b->overflow);
}

static void print_page(const struct strbuf *record)
{
    struct table_style style = screen_style(stdout);
    struct json_doc *doc = NULL;
    struct strbuf page;
    enum err e = json_parse(record->data, record->len, &doc, NULL, 0);
    REQUIRE(e == ERR_NONE); /* we wrote it */
    text_init();
    strbuf_init(&page, PAGE_MAX);
    result_view_put(json_root(doc), &style, &page);
    fputs(page.data, stdout);
    strbuf_fini(&page);
    json_free(&doc);
}

static int report(const struct probe_cmd_options *o, const struct job *j)
{
    struct strbuf record;
    REQUIRE(j->end == JOB_DONE);
    strbuf_init(&record, RECORD_MAX);
    write_record(j, &record);
    if (o->as_json)
        puts(record.data);
    else
        print_page(&record);
    strbuf_fini(&record);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fputs("sonde-agent probe: cannot write the result\n", stderr);
        return EXIT_FAILED;
    }
    return j->result->outcome == OUTCOME_OK ? EXIT_OK : EXIT_FAILED;
}

int probe_cmd_run(const struct probe_cmd_options *o)
{
    REQUIRE(o->target != NULL && o->flags != NULL && o->policy != NULL);
    struct target *t = NULL;
    char why[WHY_MAX] = "";
    if (make_target(o, &t, why, sizeof(why)) != ERR_NONE) {
        fprintf(stderr, "sonde-agent probe: %s\n", why);
        return EXIT_USAGE;
    }
    int fd = eventfd(0, EFD_CLOEXEC), code = EXIT_FAILED;
    struct job *j = NULL;
    signal(SIGPIPE, SIG_IGN); /* a target that hangs up must not end us */
    if (fd >= 0)
        j = run_one(o, t, fd);
    else
        target_destroy(&t);
    if (j)
        code = report(o, j);
    else
        fputs("sonde-agent probe: cannot start: no threads or descriptors, or no resolver\n",
              stderr);
    job_destroy(&j);
    if (fd >= 0)
        close(fd);
    return code;
}
