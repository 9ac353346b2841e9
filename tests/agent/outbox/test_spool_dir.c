/* SPDX-License-Identifier: MIT */
#include "agent/outbox/spool_dir.h"
#include "common/log.h"
#include "tests/support/check_main.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char top[64], dir[128];
static struct spool_job job;

static void setup(void)
{
    log_init(LOG_ERROR, LOG_TEXT, STDERR_FILENO);
    snprintf(top, sizeof(top), "/tmp/sonde-spool-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(top));
    snprintf(dir, sizeof(dir), "%s/spool", top);
    strbuf_init(&job.bytes, SPOOL_JOB_MAX);
}
static void teardown(void)
{
    char command[160];
    strbuf_fini(&job.bytes);
    snprintf(command, sizeof(command), "rm -rf '%s'", top);
    ck_assert_int_eq(system(command), 0);
}

static int run(size_t aside_max)
{
    int e = spool_dir_run(dir, aside_max, &job);
    job.n_ends = 0;
    return e;
}
static int write_text(uint64_t number, bool fresh, uint64_t offset, const char *text)
{
    job.number = number;
    job.fresh = fresh;
    job.offset = offset;
    strbuf_reset(&job.bytes);
    strbuf_puts(&job.bytes, text);
    return run(1 << 20);
}
static void end(uint64_t number, const char *store)
{
    struct spool_end *e = &job.ends[job.n_ends++];
    *e = (struct spool_end){.number = number, .aside = store != NULL};
    snprintf(e->store, sizeof(e->store), "%s", store ? store : "");
}
static bool there(const char *path)
{
    char full[256];
    snprintf(full, sizeof(full), "%s/%s", top, path);
    return access(full, F_OK) == 0;
}
/* How many files are in that directory under spool/, or −1. */
static int files_in(const char *name)
{
    char path[256];
    int n = 0;
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    DIR *d = opendir(path);
    if (!d)
        return -1;
    for (struct dirent *e; (e = readdir(d)) != NULL;)
        n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

/* What spool_dir_read() tells, as "7=text 8=?": ? could not be read. */
static char told[4096];
static void on_file(void *arg, uint64_t number, const char *p, size_t n)
{
    size_t len = strlen(told);
    if (p)
        snprintf(told + len, sizeof(told) - len, "%d=%.*s ", (int)number, (int)n, p);
    else
        snprintf(told + len, sizeof(told) - len, "%d=? ", (int)number);
}
static const char *read_dir(void)
{
    told[0] = '\0';
    spool_dir_read(dir, on_file, NULL);
    return told;
}
static void make_file(const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    fputs(text, f);
    fclose(f);
}

START_TEST(files_are_made_appended_to_and_read_in_order)
{
    ck_assert_str_eq(read_dir(), "");
    ck_assert_int_eq(write_text(12, true, 0, "two"), 0);
    ck_assert_int_eq(write_text(7, true, 0, "se"), 0);
    ck_assert_int_eq(write_text(7, false, 2, "ven"), 0);
    ck_assert_int_eq(write_text(100, true, 0, ""), 0);
    ck_assert_str_eq(read_dir(), "7=seven 12=two 100= ");
    ck_assert(there("spool/0000000007.spool"));
}
END_TEST

START_TEST(nobody_else_may_read_them)
{
    struct stat st;
    char path[256];
    umask(0);
    ck_assert_int_eq(write_text(7, true, 0, "x"), 0);
    ck_assert_int_eq(stat(dir, &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0700);
    snprintf(path, sizeof(path), "%s/0000000007.spool", dir);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0600);
}
END_TEST

START_TEST(other_names_are_left_alone)
{
    static const char *const names[] = {
        "7.spoo",  "spool",    ".spool",   "-1.spool",
        "0.spool", "x7.spool", "7.spool~", "99999999999999999999.spool"};
    ck_assert_int_eq(write_text(8, true, 0, "eight"), 0);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        make_file(names[i], "?");
    ck_assert_str_eq(read_dir(), "8=eight ");
}
END_TEST

START_TEST(what_is_no_plain_file_is_said_and_left)
{
    char path[256];
    log_init(LOG_ERROR, LOG_TEXT, open("/dev/null", O_WRONLY));
    ck_assert_int_eq(write_text(1, true, 0, "one"), 0);
    snprintf(path, sizeof(path), "%s/0000000002.spool", dir);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    snprintf(path, sizeof(path), "%s/0000000003.spool", dir);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    snprintf(path, sizeof(path), "%s/0000000004.spool", dir);
    ck_assert_int_eq(symlink("/etc/passwd", path), 0);
    ck_assert_str_eq(read_dir(), "1=one 2=? 3=? 4=? ");
}
END_TEST

START_TEST(what_is_done_with_goes_before_anything_is_written)
{
    ck_assert_int_eq(write_text(1, true, 0, "one"), 0);
    end(1, NULL);
    end(9, NULL); /* gone already */
    ck_assert_int_eq(write_text(2, true, 0, "two"), 0);
    ck_assert_str_eq(read_dir(), "2=two ");
}
END_TEST

START_TEST(another_stores_files_are_moved)
{
    ck_assert_int_eq(write_text(1, true, 0, "one"), 0);
    ck_assert_int_eq(write_text(2, true, 0, "two"), 0);
    job.number = 0;
    end(1, "0193a1b2-0000-7000-8000-000000000001");
    end(2, "../../x y");
    end(3, "0193a1b2-0000-7000-8000-000000000001"); /* moved already */
    ck_assert_int_eq(run(1 << 20), 0);
    ck_assert_str_eq(read_dir(), "");
    ck_assert_int_eq(files_in("foreign-0193a1b2-0000-7000-8000-000000000001"), 1);
    ck_assert_int_eq(files_in("foreign-______x_y"), 1);
}
END_TEST

START_TEST(of_what_is_set_aside_the_oldest_goes)
{
    log_init(LOG_ERROR, LOG_TEXT, STDERR_FILENO);
    ck_assert_int_eq(write_text(1, true, 0, "12345678"), 0);
    ck_assert_int_eq(write_text(2, true, 0, "12345678"), 0);
    ck_assert_int_eq(write_text(3, true, 0, "12345678"), 0);
    job.number = 0;
    end(1, "a");
    ck_assert_int_eq(run(20), 0);
    usleep(2000); /* names are by the millisecond */
    end(2, "b");
    ck_assert_int_eq(run(20), 0);
    usleep(2000);
    end(3, "b");
    ck_assert_int_eq(run(20), 0);
    ck_assert_int_eq(files_in("foreign-a"), -1);
    ck_assert_int_eq(files_in("foreign-b"), 2);
}
END_TEST

START_TEST(a_write_that_fails_leaves_nothing_behind)
{
    struct rlimit lim = {10, RLIM_INFINITY};
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(write_text(1, true, 0, "12345"), 0);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &lim), 0);
    ck_assert_int_eq(write_text(1, false, 5, "6789012345"), EFBIG); /* five of them fit */
    ck_assert_int_eq(write_text(2, true, 0, "123456789012345"), EFBIG);
    ck_assert_str_eq(read_dir(), "1=12345 ");
}
END_TEST

START_TEST(a_directory_that_cannot_be_made)
{
    int fd = open(dir, O_WRONLY | O_CREAT, 0600);
    ck_assert_int_ge(fd, 0);
    close(fd);
    ck_assert_int_eq(write_text(1, true, 0, "x"), ENOTDIR);
    ck_assert_int_eq(unlink(dir), 0);
    ck_assert_int_eq(write_text(1, true, 0, "x"), 0);
}
END_TEST

TESTS(spool_dir, files_are_made_appended_to_and_read_in_order, nobody_else_may_read_them,
      other_names_are_left_alone, what_is_no_plain_file_is_said_and_left,
      what_is_done_with_goes_before_anything_is_written, another_stores_files_are_moved,
      of_what_is_set_aside_the_oldest_goes, a_write_that_fails_leaves_nothing_behind,
      a_directory_that_cannot_be_made)
static TCase *spool_dir_fixed(void)
{
    TCase *tc = spool_dir();
    tcase_add_checked_fixture(tc, setup, teardown);
    return tc;
}
CHECK_MAIN("spool_dir", spool_dir_fixed)
