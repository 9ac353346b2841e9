/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/err.h"
#include "common/list.h"
#include "proto/message.h"

/*
 * admission - who waits for a slot, per class, and whose turn is next: the classes share by weight
 * 8:4:1.
 *
 * Pure; owned by one thread. Nodes are the caller's. Within a class the order is that of arrival. A
 * class that has nobody waiting, or is not served now, saves nothing up: weights divide only what
 * is contended.
 */
struct admission {
    struct list waiting[TASK_CLASSES];
    int credit[TASK_CLASSES]; /* smooth weighted round robin */
    unsigned n_waiting;
};
#define ADMIT_ALL      ((1u << TASK_CLASSES) - 1)
#define ADMIT_CLASS(c) (1u << (c))
#define ADMIT_NOT_BULK (ADMIT_ALL & ~ADMIT_CLASS(CLASS_BULK))

void admission_init(struct admission *a);
void admission_push(struct admission *a, struct list_node *n, enum task_class cls);
/* The next of the classes in the mask, taken out; NULL when none of them waits. */
struct list_node *admission_pop(struct admission *a, unsigned classes);
void admission_remove(struct admission *a, struct list_node *n, enum task_class cls);

/* The smallest queue that a pool of so many slots should have, and the slots that bulk never gets.
 */
unsigned admission_queue_max(unsigned slots);
unsigned admission_reserve(unsigned slots);
