/* SPDX-License-Identifier: MIT */
#include "master/dev.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "common/log.h"
#include "common/mem.h"
#include "master/auth/tokens.h"

#define RESTART_MS   1000 /* a child that dies at once is not started in a storm */
#define STOP_MS      5000 /* then it is killed */
#define STOP_STEP_US 20000
#define URL_MAX      160

struct child {
    char name[24], dir[PATH_MAX], token_file[PATH_MAX];
    pid_t pid; /* 0 = not running */
    struct mono restart_at;
};
struct dev {
    struct dev_config c;
    char program[PATH_MAX]; /* sonde-agent beside this binary */
    char url[URL_MAX];
    unsigned n;
    struct child children[];
};

static void *path_join(char out[PATH_MAX], const char *dir, const char *name)
{
    if (snprintf(out, PATH_MAX, "%s/%s", dir, name) >= PATH_MAX)
        out[0] = '\0'; /* no such file: whoever opens it says so */
    return out;
}

static void program_beside(const char *name, char out[PATH_MAX])
{
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    self[n > 0 ? n : 0] = '\0';
    char *slash = strrchr(self, '/');
    if (slash != NULL)
        *slash = '\0';
    path_join(out, self, name);
}

/* ---- one child */

static bool write_token(const struct dev *d, struct child *k)
{
    char token[TOKEN_TEXT_MAX], why[256];
    struct stat st;
    if (stat(k->token_file, &st) == 0 && st.st_size > 0)
        return true;
    if (token_add(d->c.dir, SCOPE_AGENT, k->name, token, why, sizeof(why)) != ERR_NONE) {
        LOG(LOG_ERROR, "dev", "no_token", LS("agent", k->name), LS("why", why));
        return false;
    }
    int fd = open(k->token_file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool ok = fd >= 0 && dprintf(fd, "%s\n", token) > 0;
    if (!ok)
        LOG(LOG_ERROR, "dev", "no_token", LS("file", k->token_file), LS("why", strerror(errno)));
    if (fd >= 0)
        close(fd);
    explicit_bzero(token, sizeof(token));
    return ok;
}

static void prepare(struct dev *d, struct child *k, unsigned i)
{
    char agents[PATH_MAX];
    snprintf(k->name, sizeof(k->name), "dev-%u", i + 1);
    path_join(agents, d->c.dir, "agents");
    path_join(k->dir, agents, k->name);
    path_join(k->token_file, k->dir, "token");
    (void)mkdir(agents, 0700);
    (void)mkdir(k->dir, 0700);
}

/* Between fork and exec of a process with threads: system calls only. */
static _Noreturn void become_agent(const struct dev *d, const struct child *k, pid_t parent)
{
    const char *const argv[] = {d->program, "--master",     d->url,        "--name",
                                k->name,    "--token-file", k->token_file, "--data",
                                k->dir,     "--dev",        NULL};
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() == parent)
        execv(d->program, (char *const *)argv);
    _exit(127);
}

static void start_child(struct dev *d, struct child *k)
{
    pid_t self = getpid();
    REQUIRE(k->pid == 0);
    k->restart_at = mono_add_ms(mono_now(), RESTART_MS);
    if (!write_token(d, k))
        return;
    pid_t pid = fork();
    if (pid == 0)
        become_agent(d, k, self);
    if (pid < 0) {
        LOG(LOG_ERROR, "dev", "no_process", LS("agent", k->name), LS("why", strerror(errno)));
        return;
    }
    k->pid = pid;
    LOG(LOG_INFO, "dev", "agent_started", LS("agent", k->name), LI("pid", pid));
}

static void reap(struct child *k, int options)
{
    int status;
    if (k->pid == 0 || waitpid(k->pid, &status, options) != k->pid)
        return;
    bool missing = WIFEXITED(status) && WEXITSTATUS(status) == 127;
    LOG(LOG_WARN, "dev", "agent_ended", LS("agent", k->name),
        LI("status", WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status)),
        LS("why", missing ? "sonde-agent cannot be run: is it built, beside sonde-master?" : NULL));
    k->pid = 0;
}

void dev_watch(struct dev *d)
{
    REQUIRE(d != NULL);
    for (unsigned i = 0; i < d->n; i++) {
        struct child *k = &d->children[i];
        reap(k, WNOHANG);
        if (k->pid == 0 && !mono_before(mono_now(), k->restart_at))
            start_child(d, k);
    }
}

/* ---- how to go on */

static void read_token(const char *path, char out[TOKEN_TEXT_MAX])
{
    FILE *f = fopen(path, "re");
    out[0] = '\0';
    if (f == NULL)
        return;
    if (fgets(out, TOKEN_TEXT_MAX, f) != NULL)
        out[strcspn(out, "\n")] = '\0';
    fclose(f);
}

static void print_help(const struct dev *d)
{
    char token[TOKEN_TEXT_MAX], admin[PATH_MAX], master[PATH_MAX], cli[PATH_MAX];
    path_join(admin, d->c.dir, "admin.token");
    read_token(admin, token);
    program_beside("sonde-master", master);
    program_beside("sonde", cli);
    printf("Sonde runs, with %u agent%s of its own that may probe loopback.\n\n"
           "  API     http://%s\n"
           "  agents  %s\n"
           "  data    %s\n"
           "  token   %s (admin; kept in %s)\n\n"
           "Submit a file of targets, one URI a line, and watch:\n\n"
           "  SONDE_URL=http://%s SONDE_TOKEN_FILE=%s %s submit FILE --watch\n\n"
           "Join one more agent:\n\n"
           "  (umask 077; %s token add --data %s --scope agent --name my-agent > my-agent.token)\n"
           "  %s --master %s --name my-agent --token-file my-agent.token --dev\n\n",
           d->n, d->n == 1 ? "" : "s", d->c.listen, d->url, d->c.dir, token, admin, d->c.listen,
           admin, cli, master, d->c.dir, d->program, d->url);
    fflush(stdout);
    explicit_bzero(token, sizeof(token));
}

struct dev *dev_start(const struct dev_config *c)
{
    struct dev *d = mem_zalloc(sizeof(*d) + c->n_agents * sizeof(d->children[0]));
    d->c = *c;
    d->n = c->n_agents;
    program_beside("sonde-agent", d->program);
    snprintf(d->url, sizeof(d->url), "ws://%s/ws", c->agents_listen);
    for (unsigned i = 0; i < d->n; i++) {
        prepare(d, &d->children[i], i);
        start_child(d, &d->children[i]);
    }
    print_help(d);
    return d;
}

static bool any_left(struct dev *d)
{
    bool left = false;
    for (unsigned i = 0; i < d->n; i++) {
        reap(&d->children[i], WNOHANG);
        left |= d->children[i].pid != 0;
    }
    return left;
}

static void signal_all(struct dev *d, int sig)
{
    for (unsigned i = 0; i < d->n; i++)
        if (d->children[i].pid != 0)
            kill(d->children[i].pid, sig);
}

/* The master they drain towards has gone: they have nothing to wait for. */
void dev_stop(struct dev **dp)
{
    struct dev *d = *dp;
    if (d == NULL)
        return;
    *dp = NULL;
    signal_all(d, SIGTERM);
    for (struct mono by = mono_add_ms(mono_now(), STOP_MS); any_left(d);) {
        if (!mono_before(mono_now(), by)) {
            signal_all(d, SIGKILL);
            for (unsigned i = 0; i < d->n; i++)
                reap(&d->children[i], 0);
            break;
        }
        usleep(STOP_STEP_US);
    }
    free(d);
}
