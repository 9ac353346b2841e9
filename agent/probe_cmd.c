/* SPDX-License-Identifier: MIT */
#include "agent/probe_cmd.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "agent/probe_print.h"
#include "agent/run/pool.h"
#include "common/utf8.h"

#define EXIT_OK     0
#define EXIT_FAILED 1
#define EXIT_USAGE  2
/* The target's own time-out always comes first. */
#define TASK_DEADLINE_MS (2 * TIMEOUT_MS_MAX)

static bool starts_with(const char *text, const char *prefix)
{
    return strncasecmp(text, prefix, strlen(prefix)) == 0;
}

/* The target as the object that the API would take, so that there is one parser. */
static void write_object(const struct probe_cmd_options *o, struct strbuf *b)
{
    struct json_out w;
    bool dns = starts_with(o->target, "dns:") || (o->type && !starts_with(o->target, "http"));
    json_out_init(&w, b);
    json_obj_begin(&w);
    json_str(&w, dns ? "dns" : "url", o->target);
    if (o->type)
        json_str(&w, "type", o->type);
    if (o->timeout_ms > 0)
        json_int(&w, "timeout_ms", o->timeout_ms);
    json_obj_end(&w);
}

static enum err parse_object(const struct probe_cmd_options *o, struct target **out,
                             struct target_problem *p)
{
    struct strbuf b;
    struct json_doc *doc = NULL;
    strbuf_init(&b, SPEC_MAX_BYTES);
    write_object(o, &b);
    enum err e =
        b.overflow ? ERR_TOO_BIG : json_parse(b.data, b.len, &doc, p->detail, sizeof(p->detail));
    if (e == ERR_TOO_BIG)
        snprintf(p->detail, sizeof(p->detail), "the target is longer than %d bytes", URI_MAX);
    if (e == ERR_NONE)
        e = target_from_json(json_root(doc), NULL, out, p);
    json_free(&doc);
    strbuf_fini(&b);
    return e;
}

static enum err make_target(const struct probe_cmd_options *o, struct target **out,
                            struct target_problem *p)
{
    size_t len = strlen(o->target);
    bool plain = o->type == NULL && o->timeout_ms <= 0;
    if (plain)
        return target_from_text(o->target, len, NULL, out, p);
    if (utf8_valid(o->target, len) && (o->type == NULL || utf8_valid(o->type, strlen(o->type))))
        return parse_object(o, out, p);
    snprintf(p->detail, sizeof(p->detail), "the target is not valid UTF-8");
    return ERR_INVALID;
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

static void print_record(const struct result *r)
{
    struct strbuf b;
    strbuf_init(&b, RESULT_MAX_BYTES);
    result_encode(r, wall_now(), &b);
    puts(b.data);
    strbuf_fini(&b);
}

static int report(const struct probe_cmd_options *o, const struct job *j)
{
    REQUIRE(j->end == JOB_DONE);
    if (o->as_json)
        print_record(j->result);
    else
        probe_print(j->target, j->result, wall_now(), stdout);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fputs("sonde-agent probe: cannot write the result\n", stderr);
        return EXIT_FAILED;
    }
    return j->result->outcome == OUTCOME_OK ? EXIT_OK : EXIT_FAILED;
}

int probe_cmd_run(const struct probe_cmd_options *o)
{
    REQUIRE(o->target != NULL && o->policy != NULL);
    struct target *t = NULL;
    struct target_problem problem = {.code = NULL};
    if (make_target(o, &t, &problem) != ERR_NONE) {
        fprintf(stderr, "sonde-agent probe: %s\n", problem.detail);
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
