/* SPDX-License-Identifier: MIT */
#include "agent/run/admission.h"

#define QUEUE_MIN 8 /* small pools too must bridge a round trip to the master */
#define SLOTS_PER_PLACE                                                                            \
    4 /* a quarter of the slots waits: enough to refill, short enough to reorder */
#define SLOTS_PER_RESERVED 16 /* so that a one-shot never waits behind a million tarpits */

static const int WEIGHTS[TASK_CLASSES] = {
    [CLASS_INTERACTIVE] = 8, [CLASS_SCHEDULE] = 4, [CLASS_BULK] = 1};

void admission_init(struct admission *a)
{
    *a = (struct admission){0};
    for (unsigned c = 0; c < TASK_CLASSES; c++)
        list_init(&a->waiting[c]);
}

void admission_push(struct admission *a, struct list_node *n, enum task_class cls)
{
    REQUIRE((unsigned)cls < TASK_CLASSES);
    list_push_back(&a->waiting[cls], n);
    a->n_waiting++;
}

void admission_remove(struct admission *a, struct list_node *n, enum task_class cls)
{
    REQUIRE((unsigned)cls < TASK_CLASSES && a->n_waiting > 0);
    list_remove(&a->waiting[cls], n);
    a->n_waiting--;
    if (list_empty(&a->waiting[cls]))
        a->credit[cls] = 0;
}

struct list_node *admission_pop(struct admission *a, unsigned classes)
{
    int best = -1, total = 0;
    for (int c = 0; c < TASK_CLASSES; c++) {
        if (!(classes & ADMIT_CLASS(c)) || list_empty(&a->waiting[c]))
            continue;
        a->credit[c] += WEIGHTS[c];
        total += WEIGHTS[c];
        if (best < 0 || a->credit[c] > a->credit[best])
            best = c;
    }
    if (best < 0)
        return NULL;
    a->credit[best] -= total;
    struct list_node *n = list_first(&a->waiting[best]);
    admission_remove(a, n, (enum task_class)best);
    return n;
}

unsigned admission_queue_max(unsigned slots)
{
    unsigned places = slots / SLOTS_PER_PLACE;
    return places > QUEUE_MIN ? places : QUEUE_MIN;
}

unsigned admission_reserve(unsigned slots)
{
    if (slots < 2)
        return 0; /* the only slot is for everyone */
    unsigned reserve = slots / SLOTS_PER_RESERVED;
    return reserve > 1 ? reserve : 1;
}
