/* SPDX-License-Identifier: MIT */
#include "master/schedule/schedule_req.h"
#include <stdlib.h>

void schedule_req_free(struct schedule_req **rp)
{
    struct schedule_req *r = *rp;
    if (!r)
        return;
    schedule_free(&r->schedule);
    free(r->views);
    if (r->checks)
        scheduler_check_views_free(r->checks, r->n_checks);
    free(r);
    *rp = NULL;
}
