/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * dev - the agents of `sonde-master --dev`: children of the master on this machine, each with a
 * token, a name and a directory of its own under DIR/agents.
 *
 * Main thread. They are started again when they die, and end with the master, even with kill -9.
 */
struct dev;
struct dev_config { /* strings borrowed for the life of struct dev */
    const char *dir, *listen, *agents_listen;
    unsigned n_agents;
};
/* Starts them and prints to stdout how to go on. */
struct dev *dev_start(const struct dev_config *c);
void dev_watch(struct dev *d);  /* now and then: starts again what has died */
void dev_stop(struct dev **dp); /* NULL is fine */
