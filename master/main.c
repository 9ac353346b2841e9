/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <unistd.h>
#include "common/signals.h"
#include "master/commands.h"
#include "master/serve.h"

int main(int argc, char **argv)
{
    struct master_options o;
    const char *words[MASTER_WORDS_MAX];
    char why[512];
    size_t n_words = 0;
    int rc;
    if (master_options_load(&o, argc, argv, words, &n_words, why, sizeof(why)) != ERR_NONE) {
        fprintf(stderr, "sonde-master: %s\n", why);
        return EXIT_USAGE;
    }
    log_init(o.level, o.format, STDERR_FILENO);
    if (!command_run(&o, words, n_words, &rc)) {
        signals_block();
        rc = serve_run(&o);
    }
    master_options_fini(&o);
    return rc;
}
