/* SPDX-License-Identifier: MIT */
#include "tests/master/store/timetable.h"

/* Definitions: put by difference, versions, bounds, removed, paused, read back. */

static const struct tt_target three[] = {{"http://a/", "{\"url\":\"http://a/\"}", NULL, "a"},
                                         {"http://b/", "{\"url\":\"http://b/\"}", "u-1", "b"},
                                         {"http://c/", "{\"url\":\"http://c/\"}", NULL, "c"}};

static struct store_req *put(const char *doc, const struct tt_target *targets, size_t n)
{
    struct schedule_target *to;
    struct store_req *r = tt_put_req("web", doc, targets, n, &to);
    ck_assert_int_eq(fx_run(r), ERR_NONE);
    free(to);
    return r;
}

START_TEST(a_new_one_gets_a_version_and_ids)
{
    struct store_req *r = put(TT_DOC, three, 3);
    ck_assert(r->put.created && r->put.doc_changed);
    ck_assert_uint_eq(r->put.version, 1);
    ck_assert_uint_ne(r->put.id, 0);
    ck_assert_uint_eq(r->put.n_new, 3);
    ck_assert_uint_eq(r->put.n_changed + r->put.n_removed, 0);
    for (int i = 0; i < 3; i++) {
        ck_assert_uint_ne(r->put.ids[i], 0);
        ck_assert_int_eq(r->put.what[i], PUT_NEW);
        ck_assert_int_ne(r->put.createds[i].us, 0);
    }
    ck_assert_ptr_null(r->put.old_doc);
    store_req_destroy(&r);
    fx_check_green();
}
END_TEST

START_TEST(the_same_again_changes_nothing)
{
    struct store_req *a = put(TT_DOC, three, 3), *b = put(TT_DOC, three, 3);
    ck_assert(!b->put.created && !b->put.doc_changed);
    ck_assert_uint_eq(b->put.version, 1);
    ck_assert_uint_eq(b->put.n_new + b->put.n_changed + b->put.n_removed, 0);
    for (int i = 0; i < 3; i++) {
        ck_assert_uint_eq(b->put.ids[i], a->put.ids[i]);
        ck_assert_int_eq(b->put.createds[i].us, a->put.createds[i].us);
    }
    ck_assert_str_eq(b->put.old_doc, TT_DOC);
    store_req_destroy(&a);
    store_req_destroy(&b);
}
END_TEST

START_TEST(a_put_is_the_difference_by_key)
{
    static const struct tt_target next[] = {{"http://c/", "{\"url\":\"http://c/\"}", NULL, "c"},
                                            {"http://b/", "{\"url\":\"b2\"}", "u-1", "b"},
                                            {"http://d/", "{\"url\":\"http://d/\"}", NULL, "d"}};
    struct store_req *a = put(TT_DOC, three, 3), *b = put("{\"every\":\"30s\"}", next, 3);
    ck_assert_uint_eq(b->put.version, 2);
    ck_assert(b->put.doc_changed);
    ck_assert_int_eq(b->put.what[0], PUT_SAME);
    ck_assert_int_eq(b->put.what[1], PUT_CHANGED);
    ck_assert_int_eq(b->put.what[2], PUT_NEW);
    ck_assert_uint_eq(b->put.ids[0], a->put.ids[2]);
    ck_assert_uint_eq(b->put.ids[1], a->put.ids[1]);
    ck_assert_uint_eq(b->put.n_removed, 1);
    ck_assert_uint_eq(b->put.removed[0], a->put.ids[0]);
    ck_assert_str_eq(b->put.removed_keys[0], "http://a/");
    store_req_destroy(&a);
    store_req_destroy(&b);
    fx_check_green();
}
END_TEST

START_TEST(a_key_that_comes_back_has_its_old_id)
{
    struct store_req *a = put(TT_DOC, three, 3), *b = put(TT_DOC, three, 2);
    ck_assert_uint_eq(b->put.n_removed, 1);
    struct store_req *c = put(TT_DOC, three, 3);
    ck_assert_int_eq(c->put.what[2], PUT_NEW);
    ck_assert_uint_eq(c->put.ids[2], a->put.ids[2]);
    ck_assert_int_gt(c->put.createds[2].us, a->put.createds[2].us);
    ck_assert_uint_eq(c->put.version, 3);
    store_req_destroy(&a);
    store_req_destroy(&b);
    store_req_destroy(&c);
    fx_check_green();
}
END_TEST

START_TEST(a_dry_run_tells_and_writes_nothing)
{
    struct schedule_target *to;
    struct store_req *r = tt_put_req("web", TT_DOC, three, 3, &to);
    r->put.dry_run = true;
    ck_assert_int_eq(fx_run(r), ERR_NONE);
    ck_assert(r->put.created);
    ck_assert_uint_eq(r->put.n_new, 3);
    ck_assert_uint_eq(r->put.ids[0], 0);
    free(to);
    store_req_destroy(&r);
    r = fx_req(STORE_SCHEDULE_GET);
    snprintf(r->schedule_get.name, sizeof(r->schedule_get.name), "web");
    ck_assert_int_eq(fx_run_free(r), ERR_NOT_FOUND);
}
END_TEST

static enum err put_if(uint64_t version)
{
    struct schedule_target *to;
    struct store_req *r = tt_put_req("web", "{\"every\":\"9s\"}", three, 1, &to);
    r->put.if_version = version;
    enum err e = fx_run(r);
    ck_assert(e == ERR_NONE || r->why[0] != '\0');
    free(to);
    store_req_destroy(&r);
    return e;
}

START_TEST(another_version_is_a_conflict)
{
    ck_assert_int_eq(put_if(1), ERR_EXISTS);
    struct store_req *r = put(TT_DOC, three, 3);
    store_req_destroy(&r);
    ck_assert_int_eq(put_if(2), ERR_EXISTS);
    ck_assert_int_eq(put_if(1), ERR_NONE);
    ck_assert_int_eq(put_if(1), ERR_EXISTS);
    fx_check_green();
}
END_TEST

START_TEST(all_together_have_a_bound)
{
    struct store_req *r = put(TT_DOC, three, 3);
    store_req_destroy(&r);
    fx_sql("INSERT INTO schedules(name, version, doc, paused, n_checks, created_at, changed_at) "
           "VALUES('big', 1, '{}', 0, 99997, 1, 1)");
    struct schedule_target *to;
    r = tt_put_req("more", TT_DOC, three, 1, &to);
    ck_assert_int_eq(fx_run(r), ERR_FULL);
    ck_assert_ptr_nonnull(strstr(r->why, "100000"));
    free(to);
    store_req_destroy(&r);
    r = put("{\"every\":\"10s\"}", three, 3); /* those that are there may stay */
    store_req_destroy(&r);
}
END_TEST

/* What a start reads into one buffer. */
START_TEST(all_together_have_a_bound_in_bytes)
{
    int64_t bytes = 0;
    for (unsigned i = 0; i < 3; i++)
        bytes +=
            (int64_t)(strlen(three[i].key) + strlen(three[i].spec) + strlen(three[i].host) + 3);
    fx_sql("INSERT INTO schedules(name, version, doc, paused, n_checks, created_at, changed_at) "
           "VALUES('big', 1, '{}', 0, 1, 1, 1)");
    tt_sql("UPDATE schedules SET bytes = %lld", STORE_TARGETS_BYTES - bytes + 1);
    struct schedule_target *to;
    struct store_req *r = tt_put_req("web", TT_DOC, three, 3, &to);
    ck_assert_int_eq(fx_run(r), ERR_FULL);
    ck_assert_ptr_nonnull(strstr(r->why, "256 MiB"));
    free(to);
    store_req_destroy(&r);
    tt_sql("UPDATE schedules SET bytes = %lld", STORE_TARGETS_BYTES - bytes);
    r = put(TT_DOC, three, 3);
    store_req_destroy(&r);
    r = put("{\"every\":\"10s\"}", three, 3); /* in place of itself */
    store_req_destroy(&r);
    r = tt_put_req("more", TT_DOC, three, 1, &to);
    ck_assert_int_eq(fx_run(r), ERR_FULL);
    free(to);
    store_req_destroy(&r);
}
END_TEST

static enum err by_name(enum store_op op, const char *name, bool paused, uint64_t *id,
                        size_t *removed)
{
    struct store_req *r = fx_req(op);
    snprintf(r->name.name, sizeof(r->name.name), "%s", name);
    r->name.paused = paused;
    enum err e = fx_run(r);
    *id = r->name.id;
    *removed = r->name.n_removed;
    store_req_destroy(&r);
    return e;
}

START_TEST(a_removed_one_leaves_its_checks_as_removed)
{
    uint64_t id = 0;
    size_t removed = 0;
    struct store_req *r = put(TT_DOC, three, 3);
    ck_assert_int_eq(by_name(STORE_SCHEDULE_REMOVE, "none", false, &id, &removed), ERR_NOT_FOUND);
    ck_assert_int_eq(by_name(STORE_SCHEDULE_REMOVE, "web", false, &id, &removed), ERR_NONE);
    ck_assert_uint_eq(id, r->put.id);
    ck_assert_uint_eq(removed, 3);
    ck_assert_int_eq(by_name(STORE_SCHEDULE_REMOVE, "web", false, &id, &removed), ERR_NOT_FOUND);
    store_req_destroy(&r);
    fx_check_green();
    fx_reopen();
    ck_assert_uint_eq(fx_boot.timetable.n_schedules, 0);
    ck_assert_uint_eq(fx_boot.timetable.n_checks, 0);
}
END_TEST

START_TEST(paused_is_kept)
{
    uint64_t id = 0;
    size_t removed;
    struct store_req *r = put(TT_DOC, three, 3);
    store_req_destroy(&r);
    ck_assert_int_eq(by_name(STORE_SCHEDULE_PAUSE, "none", true, &id, &removed), ERR_NOT_FOUND);
    ck_assert_int_eq(by_name(STORE_SCHEDULE_PAUSE, "web", true, &id, &removed), ERR_NONE);
    ck_assert_uint_ne(id, 0);
    fx_reopen();
    ck_assert(fx_boot.timetable.schedules[0].paused);
    r = put(TT_DOC, three, 3);
    ck_assert(r->put.old_paused);
    store_req_destroy(&r);
    r = put(TT_DOC, three, 3);
    ck_assert(!r->put.old_paused);
    store_req_destroy(&r);
}
END_TEST

START_TEST(a_start_gets_all_of_it)
{
    struct store_req *r = put(TT_DOC, three, 3);
    fx_reopen();
    const struct store_timetable *t = &fx_boot.timetable;
    ck_assert_uint_eq(t->n_schedules, 1);
    ck_assert_str_eq(t->schedules[0].name, "web");
    ck_assert_str_eq(t->schedules[0].doc, TT_DOC);
    ck_assert_uint_eq(t->n_checks, 3);
    ck_assert_uint_eq(t->checks[1].id, r->put.ids[1]);
    ck_assert_uint_eq(t->checks[1].schedule, r->put.id);
    ck_assert_str_eq(t->checks[1].key, "http://b/");
    ck_assert_str_eq(t->checks[1].spec, "{\"url\":\"http://b/\"}");
    ck_assert_uint_eq(t->checks[1].spec_len, strlen(t->checks[1].spec));
    ck_assert_str_eq(t->checks[1].host, "b");
    ck_assert_uint_eq(t->checks[1].host_hash, 17);
    ck_assert_int_eq(t->checks[1].created.us, r->put.createds[1].us);
    ck_assert_uint_eq(t->n_saved, 0);
    store_req_destroy(&r);
}
END_TEST

START_TEST(they_are_listed_and_read)
{
    for (int i = 0; i < 5; i++) {
        char name[8];
        snprintf(name, sizeof(name), "s%d", i);
        struct schedule_target *to;
        struct store_req *r = tt_put_req(name, TT_DOC, three, 2, &to);
        r->put.owner = i % 2 ? "git" : NULL;
        ck_assert_int_eq(fx_run_free(r), ERR_NONE);
        free(to);
    }
    struct store_req *r = fx_req(STORE_SCHEDULE_LIST);
    snprintf(r->schedules.after, sizeof(r->schedules.after), "s0");
    r->schedules.limit = 2;
    ck_assert_int_eq(fx_run(r), ERR_NONE);
    ck_assert_uint_eq(r->schedules.n, 2);
    ck_assert_str_eq(r->schedules.items[0].name, "s1");
    ck_assert(r->schedules.more);
    store_req_destroy(&r);
    r = fx_req(STORE_SCHEDULE_LIST);
    r->schedules.owner = mem_strdup("git");
    r->schedules.limit = 2;
    ck_assert_int_eq(fx_run(r), ERR_NONE);
    ck_assert_str_eq(r->schedules.items[1].name, "s3");
    ck_assert(!r->schedules.more);
    store_req_destroy(&r);
    r = fx_req(STORE_SCHEDULE_GET);
    snprintf(r->schedule_get.name, sizeof(r->schedule_get.name), "s3");
    r->schedule_get.targets = true;
    ck_assert_int_eq(fx_run(r), ERR_NONE);
    ck_assert_uint_eq(r->schedule_get.n_checks, 2);
    ck_assert_str_eq(r->schedule_get.checks[1].key, "http://b/");
    ck_assert_str_eq(r->schedule_get.schedule.owner, "git");
    store_req_destroy(&r);
}
END_TEST

START_TEST(a_list_is_bounded_in_bytes)
{
    fx_sql(
        "WITH RECURSIVE i(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM i WHERE n < 9) "
        "INSERT INTO schedules(name, version, doc, paused, n_checks, created_at, changed_at) "
        "SELECT 's' || n, 1, '{\"labels\":{\"x\":\"' || hex(zeroblob(400000)) || '\"}}', 0, 0, 1, "
        "1 FROM i");
    unsigned n = 0, pages = 0;
    char after[SCHEDULE_NAME_MAX + 1] = "";
    for (bool more = true; more; pages++) {
        struct store_req *r = fx_req(STORE_SCHEDULE_LIST);
        snprintf(r->schedules.after, sizeof(r->schedules.after), "%s", after);
        r->schedules.limit = 100;
        ck_assert_int_eq(fx_run(r), ERR_NONE);
        ck_assert_uint_gt(r->schedules.n, 0);
        n += r->schedules.n;
        more = r->schedules.more;
        snprintf(after, sizeof(after), "%s", r->schedules.items[r->schedules.n - 1].name);
        store_req_destroy(&r);
    }
    ck_assert_uint_eq(n, 9);
    ck_assert_uint_eq(pages, 2);
}
END_TEST

START_TEST(what_does_not_belong_together_is_found)
{
    struct store_req *r = put(TT_DOC, three, 3);
    char text[4096] = "";
    store_req_destroy(&r);
    fx_sql("UPDATE schedules SET n_checks = 7; UPDATE checks SET schedule = 99 WHERE key = "
           "'http://a/'; UPDATE checks SET spec = '{' WHERE key = 'http://b/'");
    ck_assert(!fx_check(text, sizeof(text)));
    ck_assert_ptr_nonnull(strstr(text, "schedule web: says it has 7 checks, but has 2"));
    ck_assert_ptr_nonnull(strstr(text, "belongs to no schedule"));
    ck_assert_ptr_nonnull(strstr(text, "its target is damaged"));
}
END_TEST

TESTS(each, a_new_one_gets_a_version_and_ids, the_same_again_changes_nothing,
      a_put_is_the_difference_by_key, a_key_that_comes_back_has_its_old_id,
      a_dry_run_tells_and_writes_nothing, another_version_is_a_conflict, all_together_have_a_bound,
      all_together_have_a_bound_in_bytes, a_removed_one_leaves_its_checks_as_removed,
      paused_is_kept, a_start_gets_all_of_it, they_are_listed_and_read, a_list_is_bounded_in_bytes,
      what_does_not_belong_together_is_found)

static TCase *all(void)
{
    TCase *tc = each();
    tcase_add_checked_fixture(tc, fx_setup, fx_teardown);
    tcase_set_timeout(tc, 60);
    return tc;
}
CHECK_MAIN("schedules", all)
