/* SPDX-License-Identifier: MIT */
#include "master/store/store.h"

#include "master/store/sqlite.h"

struct findings {
    FILE *to;
    unsigned n;
};

static void print_finding(void *arg, const char *text)
{
    struct findings *f = arg;
    REQUIRE(f != NULL && f->to != NULL);
    f->n++;
    fprintf(f->to, "%s\n", text);
}

bool store_check(const char *dir, FILE *to)
{
    REQUIRE(dir != NULL && to != NULL);
    struct findings f = {.to = to};
    struct sqlite_db *db = NULL;
    char why[512];
    if (sqlite_open_reader(dir, &db, why, sizeof(why))) {
        fprintf(to, "%s\n", why);
        return false;
    }
    if (sqlite_check(db, print_finding, &f)) {
        f.n++;
        fprintf(to, "the check could not be finished: %s\n", sqlite_why(db));
    }
    sqlite_close(&db);
    return f.n == 0;
}
