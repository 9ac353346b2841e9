/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/err.h"
#include <stdint.h>

/*
 * sim_seen - what happened in a simulation, by kind: a count each, over all seeds of one program
 * (sim_run.h), so that a kind which never comes any more is a failure and not a weaker storm.
 *
 * SEEN(kind) counts; outside of a simulation (unit tests of the core use the same world) it does
 * nothing. C: the core's storm must see it; S: that of sessions; CS: both. The storm of another
 * machine defines SIM_KINDS of its own before it includes this, all with C.
 */
#ifndef SIM_KINDS
/* clang-format off */
#define SIM_KINDS(X)                                                                        \
    /* the path */                                                                          \
    X(cut,              CS, "a connection is cut")                                          \
    X(cut_unnoticed,    S,  "and one of its ends does not learn of it")                     \
    X(cut_frame,        S,  "in the middle of a piece")                                     \
    X(lost_on_path,     CS, "what was under way never arrives")                             \
    X(far,              S,  "a connection with seconds of delay")                           \
    X(stall,            S,  "one direction stands still")                                   \
    X(path_full,        S,  "a socket takes no more")                                       \
    X(take_over,        CS, "an agent connects anew while its old connection lives")        \
    X(hello_waits,      S,  "a HELLO waits for its turn")                                   \
    X(hello_gone,       S,  "and its connection ends before that")                          \
    X(old_link,         S,  "an old connection's bytes come after the new one's first")     \
    /* doubles, and what comes too late */                                                  \
    X(said_again,       CS, "a result is sent once more")                                   \
    X(duplicate,        CS, "a result is answered 'duplicate'")                             \
    X(late_result,      CS, "a result of a batch that is over")                             \
    X(stale_result,     CS, "a result after its lease has ended")                           \
    X(credit_again,     C,  "credit doubled, and an older one after it")                    \
    /* agents */                                                                            \
    X(agent_died,       CS, "a process dies")                                               \
    X(agent_frozen,     S,  "a process stands still")                                       \
    X(agent_stuck,      CS, "its probes do, its heartbeats go on")                          \
    X(agent_drain,      CS, "an agent drains")                                              \
    X(agent_bye,        CS, "an agent says BYE")                                            \
    X(back_in_grace,    CS, "an agent comes back within the grace, with leases")            \
    X(back_late,        CS, "and after it")                                                 \
    X(reborn_results,   S,  "a new process brings an old one's results")                    \
    X(kept,             CS, "a lease is taken up again")                                    \
    X(dropped,          CS, "a lease reported is not")                                      \
    X(nack,             CS, "NACK")                                                         \
    X(release,          CS, "RELEASE")                                                      \
    X(cancel_told,      CS, "CANCEL reaches an agent")                                      \
    X(spool_sick,       S,  "a spool cannot be written")                                    \
    X(spool_none,       S,  "a process ends before its spool's job")                        \
    X(spool_torn,       S,  "inside it")                                                    \
    X(spool_whole,      S,  "and after it, untold")                                         \
    /* where an agent is killed */                                                          \
    X(kill_connected,   S,  "an agent dies after: connected")                               \
    X(kill_hello,       S,  "HELLO written")                                                \
    X(kill_welcome,     S,  "WELCOME read, verdicts not all")                               \
    X(kill_task,        S,  "bytes read, ready")                                            \
    X(kill_ack,         S,  "an ack read")                                                  \
    X(kill_probe,       S,  "a probe's end")                                                \
    X(kill_spool_job,   S,  "a spool's job taken")                                          \
    X(kill_spool_done,  S,  "a spool's job done")                                           \
    X(kill_frame,       S,  "a frame with results written")                                 \
    X(kill_drain,       S,  "told to drain")                                                \
    /* the master, and where it is killed */                                                \
    X(master_restart,   CS, "a master is killed")                                           \
    X(master_drain,     S,  "a master drains and parts")                                    \
    X(master_frozen,    S,  "a master stands still")                                        \
    X(overslept,        C,  "a master overslept")                                           \
    X(kill_m_accepted,  CS, "a master dies after: a batch committed")                       \
    X(kill_m_open,      CS, "a connection")                                                 \
    X(kill_m_hello,     CS, "HELLO")                                                        \
    X(kill_m_inflight,  CS, "INFLIGHT")                                                     \
    X(kill_m_settled,   CS, "INFLIGHT_END")                                                 \
    X(kill_m_credit,    CS, "CREDIT")                                                       \
    X(kill_m_heartbeat, CS, "HEARTBEAT")                                                    \
    X(kill_m_result,    CS, "RESULT")                                                       \
    X(kill_m_back,      CS, "NACK, RELEASE")                                                \
    X(kill_m_frame,     CS, "a frame written")                                              \
    X(kill_m_acks,      CS, "a frame with acks written")                                    \
    X(kill_m_asked,     CS, "a refill asked")                                               \
    X(kill_m_refilled,  CS, "a refill answered")                                            \
    X(kill_m_commit,    CS, "results committed, untold")                                    \
    X(kill_m_told,      CS, "results told, not acknowledged")                               \
    X(kill_m_runs,      C,  "runs committed, untold")                                       \
    X(kill_m_mark,      CS, "a mark committed")                                             \
    X(kill_m_sweep,     CS, "a part of a sweep")                                            \
    X(kill_m_pause,     CS, "a pause committed")                                            \
    X(kill_m_tick,      CS, "a tick")                                                       \
    X(kill_m_grace,     CS, "a restart, in its grace")                                      \
    X(lost_result,      CS, "results that no commit has reached die with it")               \
    X(lost_mark,        CS, "a mark does")                                                  \
    X(lost_pause,       CS, "a pause does")                                                 \
    /* the store */                                                                         \
    X(store_stalled,    CS, "no commit")                                                    \
    X(store_failed,     CS, "a commit fails, and what it held is tried after the others")   \
    X(store_silent,     CS, "commits nobody is told of")                                    \
    X(refill_stalled,   CS, "no answers to refills")                                        \
    X(refill_failed,    CS, "a refill fails")                                               \
    X(refill_stale,     CS, "a refill saw what has ended since")                            \
    X(sweep_part,       CS, "a sweep in parts")                                             \
    /* users */                                                                             \
    X(pause,            CS, "a batch is paused")                                            \
    X(resume,           CS, "and goes on")                                                  \
    X(cancel,           CS, "a batch is cancelled")                                         \
    X(retry,            CS, "what failed is a batch of its own")                            \
    X(deadline,         CS, "a deadline passes")                                            \
    X(ended_told,       CS, "a waiter is told of the end")                                  \
    X(run_added,        C,  "a run joins a lane")                                           \
    X(lane_closed,      C,  "a lane takes no more, before all has")                         \
    /* what the core did about it */                                                        \
    X(requeued,         CS, "a task is queued again")                                       \
    X(orphans_ended,    CS, "a grace runs out")                                             \
    X(straggler,        CS, "a second lease")                                               \
    X(alone,            CS, "a task runs alone")                                            \
    X(poison,           C,  "a task is poison")                                             \
    X(used_up,          CS, "a task has used up its attempts")                              \
    X(run_expired,      C,  "a run's own deadline passes")                                  \
    X(run_no_agent,     C,  "and nobody was there for it")                                  \
    X(lane_refilled,    C,  "a new master finds what was open of a lane")                   \
    X(shunned,          C,  "agents are passed over for others")                            \
    X(aside,            C,  "a run waits for more agents than there are")                   \
    X(other_slot,       C,  "a target's second answer of one agent is dropped")             \
    X(suspect,          CS, "an agent is silent")                                           \
    X(dead,             CS, "and is given up")                                              \
    X(stalled,          CS, "an agent's work is found standing")                            \
    X(not_stalled,      CS, "and goes on again")                                            \
    X(stalled_dies,     CS, "or its process ends")                                          \
    /* bounds that are reached */                                                           \
    X(credit_full,      CS, "credit is used up, and tasks wait")                            \
    X(results_full,     S,  "the result window is used up, and results wait")               \
    X(result_bytes,     S,  "its bytes are")                                                \
    X(outbox_full,      S,  "an outbox is full")                                            \
    X(spool_full,       S,  "a spool is full")                                              \
    X(places_full,      S,  "no place at an agent")                                         \
    X(over_promise,     S,  "a pool that says no although it promised")                     \
    X(window_full,      CS, "the window of tasks in memory is full")                        \
    X(window_batch,     CS, "that of a batch is")                                           \
    X(window_bytes,     CS, "that of bytes is")                                             \
    X(host_busy,        CS, "a host is at its budget, and tasks wait")                      \
    X(host_queue,       CS, "and as many as may")                                           \
    X(skips_full,       C,  "as many hosts are passed over as may be")                      \
    X(rate_waits,       C,  "a host waits for its rate")
/* clang-format on */
#endif

enum sim_kind {
#define SIM_KIND_ENUM(id, storms, text) SAW_##id,
    SIM_KINDS(SIM_KIND_ENUM)
#undef SIM_KIND_ENUM
        SIM_KIND_COUNT
};

static uint64_t *sim_seen; /* NULL: nobody counts */

static inline void sim_saw(enum sim_kind k, uint64_t n)
{
    if (sim_seen)
        sim_seen[k] += n;
}
#define SEEN(id)          sim_saw(SAW_##id, 1)
#define SEEN_IF(cond, id) sim_saw(SAW_##id, (cond) ? 1 : 0)
