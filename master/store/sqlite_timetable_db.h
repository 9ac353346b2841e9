/* SPDX-License-Identifier: MIT */
#pragma once

/* sqlite_timetable_db - the statements of schedules, a part of those of sqlite_db.h, which includes
 * it. */

#define SCHEDULE_COLUMNS "id, version, n_checks, name, doc, owner, paused, created_at, changed_at"
#define CHECK_COLUMNS    "id, schedule, key, spec, host, host_hash, created_at"
#define MISS_COLUMNS     "check_id, first_seq, why, count, first_at, last_seq, last_at"
#define TRANSITION_COLUMNS                                                                         \
    "id, check_id, at, was, now, cause, slot, task, flapping, advice, schedule, key"
#define DELIVERY_COLUMNS                                                                           \
    "id, channel, incident, dedup, facts, state, attempts, created_at, next_at, ended_at, "        \
    "status, error"
/* ?1 before, ?2 limit, ?3 channel, ?4 state, ?5 incident */
#define DELIVERY_FILTER                                                                            \
    "id < ?1 AND (?3 IS NULL OR channel = ?3) AND (state = ?4 OR (?4 < 0 AND state < 3)) AND "     \
    "(?5 = 0 OR incident = ?5) ORDER BY id DESC LIMIT ?2"

/* X(id, who prepares it: W writer, R reader, B both, text). */
#define TIMETABLE_STATEMENTS(X)                                                                    \
    X(SQL_SCHEDULE_FIND, B, "SELECT " SCHEDULE_COLUMNS " FROM schedules WHERE name = ?1")          \
    X(SQL_SCHEDULE_SUMS, W,                                                                        \
      "SELECT count(*), sum(n_checks), sum(bytes) FROM schedules WHERE id > 0 AND id <> ?1")       \
    X(SQL_SCHEDULE_INSERT, W,                                                                      \
      "INSERT INTO schedules(name, version, doc, owner, paused, n_checks, created_at, "            \
      "changed_at, bytes) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7, ?8)")                             \
    X(SQL_SCHEDULE_UPDATE, W,                                                                      \
      "UPDATE schedules SET version = ?2, doc = ?3, owner = ?4, paused = ?5, n_checks = ?6, "      \
      "changed_at = ?7, bytes = ?8 WHERE id = ?1")                                                 \
    X(SQL_SCHEDULE_PAUSE, W, "UPDATE schedules SET paused = ?2, changed_at = ?3 WHERE id = ?1")    \
    X(SQL_SCHEDULE_DELETE, W, "DELETE FROM schedules WHERE id = ?1")                               \
    X(SQL_ROLL_BEGINS, W,                                                                          \
      "INSERT INTO meta(key, value) VALUES('rolled_until', ?1) ON CONFLICT(key) DO NOTHING")       \
    X(SQL_CHECKS_OF, W,                                                                            \
      "SELECT id, key, spec, user_id, host, host_hash, created_at, removed_at FROM checks "        \
      "WHERE schedule = ?1 ORDER BY id")                                                           \
    X(SQL_CHECK_INSERT, W,                                                                         \
      "INSERT INTO checks(schedule, key, spec, user_id, host, host_hash, created_at) "             \
      "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)")                                                        \
    X(SQL_CHECK_UPDATE, W,                                                                         \
      "UPDATE checks SET spec = ?2, user_id = ?3, host = ?4, host_hash = ?5, created_at = ?6, "    \
      "removed_at = 0 WHERE id = ?1")                                                              \
    X(SQL_CHECK_REMOVE, W, "UPDATE checks SET removed_at = ?2 WHERE id = ?1")                      \
    X(SQL_TRANSITION_ADD, W,                                                                       \
      "INSERT INTO transitions(check_id, at, was, now, cause, slot, task, flapping, advice, "      \
      "schedule, key) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)")                       \
    X(SQL_MISS_PUT, W,                                                                             \
      "INSERT INTO misses(check_id, first_seq, why, count, first_at, last_seq, last_at) "          \
      "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT(first_at, check_id, first_seq) DO UPDATE "   \
      "SET why = excluded.why, count = excluded.count, last_seq = excluded.last_seq, "             \
      "last_at = excluded.last_at")                                                                \
    X(SQL_CERTIFICATE_PUT, W,                                                                      \
      "INSERT INTO certificates(check_id, at, warned, not_after) VALUES(?1, ?2, ?3, ?4) "          \
      "ON CONFLICT(check_id) DO UPDATE SET at = excluded.at, warned = excluded.warned, "           \
      "not_after = excluded.not_after")                                                            \
    X(SQL_INCIDENT_PUT, W,                                                                         \
      "INSERT INTO incidents(id, at, state, ended_at, schedule, doc) VALUES(?1, ?2, ?3, ?4, ?5, "  \
      "?6) ON CONFLICT(id) DO UPDATE SET at = excluded.at, state = excluded.state, "               \
      "ended_at = excluded.ended_at, schedule = coalesce(schedule, excluded.schedule), "           \
      "doc = excluded.doc")                                                                        \
    X(SQL_SNAPSHOT_PUT, W,                                                                         \
      "INSERT INTO snapshots(chunk, at, transition, marks, saved) VALUES(?1, ?2, "                 \
      "(SELECT coalesce(max(id), 0) FROM transitions), ?3, ?4) ON CONFLICT(chunk) DO UPDATE SET "  \
      "at = excluded.at, transition = excluded.transition, marks = excluded.marks, "               \
      "saved = excluded.saved")                                                                    \
    X(SQL_LANES_LIVE, W,                                                                           \
      "SELECT num FROM batches WHERE num > 0 AND state < 2 AND state > 0 AND lane IS NOT NULL "    \
      "ORDER BY num")                                                                              \
    X(SQL_LANE_LAST, W,                                                                            \
      "SELECT task FROM tasks WHERE task >= ?1 AND task <= ?2 ORDER BY task DESC LIMIT 1")         \
    X(SQL_HOUR_PUT, W, "REPLACE INTO hours(hour, check_id, rollup) VALUES(?1, ?2, ?3)")            \
    X(SQL_DAY_PUT, W, "REPLACE INTO days(hour, check_id, rollup) VALUES(?1, ?2, ?3)")              \
    X(SQL_HOUR_TASKS_PUT, W, "REPLACE INTO hour_tasks(hour, check_id, tasks) VALUES(?1, ?2, ?3)")  \
    X(SQL_ROLLED_PUT, W, "REPLACE INTO meta(key, value) VALUES('rolled_until', ?1)")               \
    X(SQL_CHANNEL_PUT, W,                                                                          \
      "INSERT INTO channels(name, doc, created_at, changed_at) VALUES(?1, ?2, ?3, ?3) "            \
      "ON CONFLICT(name) DO UPDATE SET doc = excluded.doc, changed_at = excluded.changed_at")      \
    X(SQL_CHANNEL_DELETE, W, "DELETE FROM channels WHERE name = ?1")                               \
    X(SQL_CHANNEL_THERE, W, "SELECT 1 FROM channels WHERE name = ?1")                              \
    X(SQL_CHANNELS_FULL, W, "SELECT count(*) FROM channels WHERE name > ''")                       \
    X(SQL_CHANNEL_ENDS, W,                                                                         \
      "UPDATE deliveries SET state = 2, ended_at = ?2, error = 'the channel was removed' "         \
      "WHERE channel = ?1 AND state = 0")                                                          \
    X(SQL_DELIVERY_ADD, W,                                                                         \
      "INSERT INTO deliveries(channel, incident, dedup, facts, state, attempts, created_at, "      \
      "next_at, ended_at, status, error) VALUES(?1, ?2, ?3, ?4, ?7, 0, ?5, ?6, ?8, 0, ?9) "        \
      "ON CONFLICT(channel, dedup) DO NOTHING")                                                    \
    X(SQL_DELIVERY_TELL, W,                                                                        \
      "UPDATE deliveries SET state = ?2, attempts = ?3, next_at = ?4, ended_at = ?5, status = "    \
      "?6, "                                                                                       \
      "error = ?7 WHERE id = ?1")                                                                  \
    X(SQL_HOURS_OLDEST, B, "SELECT min(hour) FROM hours")                                          \
    X(SQL_HOURS_BOUND, W,                                                                          \
      "SELECT check_id FROM hours WHERE hour = ?1 ORDER BY check_id LIMIT 1 OFFSET ?2")            \
    X(SQL_HOURS_PURGE, W, "DELETE FROM hours WHERE hour = ?1 AND check_id < ?2")                   \
    X(SQL_DAYS_OLDEST, B, "SELECT min(hour) FROM days")                                            \
    X(SQL_DAYS_BOUND, W,                                                                           \
      "SELECT check_id FROM days WHERE hour = ?1 ORDER BY check_id LIMIT 1 OFFSET ?2")             \
    X(SQL_DAYS_PURGE, W, "DELETE FROM days WHERE hour = ?1 AND check_id < ?2")                     \
    X(SQL_HOUR_TASKS_OLDEST, B, "SELECT min(hour) FROM hour_tasks")                                \
    X(SQL_HOUR_TASKS_BOUND, W,                                                                     \
      "SELECT check_id FROM hour_tasks WHERE hour = ?1 ORDER BY check_id LIMIT 1 OFFSET ?2")       \
    X(SQL_HOUR_TASKS_PURGE, W, "DELETE FROM hour_tasks WHERE hour = ?1 AND check_id < ?2")         \
    X(SQL_TRANSITIONS_PURGE, W,                                                                    \
      "DELETE FROM transitions WHERE id IN (SELECT id FROM transitions t WHERE at < ?1 AND "       \
      "(EXISTS (SELECT 1 FROM transitions n WHERE n.check_id = t.check_id AND n.id > t.id) OR "    \
      "NOT EXISTS (SELECT 1 FROM checks c WHERE c.id = t.check_id)) ORDER BY at, id LIMIT ?2)")    \
    X(SQL_MISSES_PURGE, W,                                                                         \
      "DELETE FROM misses WHERE (first_at, check_id, first_seq) IN (SELECT first_at, check_id, "   \
      "first_seq FROM misses WHERE last_at < ?1 ORDER BY last_at LIMIT ?2)")                       \
    X(SQL_INCIDENTS_PURGE, W,                                                                      \
      "DELETE FROM incidents WHERE id IN (SELECT id FROM incidents WHERE ended_at > 0 AND "        \
      "ended_at < ?1 ORDER BY ended_at LIMIT ?2)")                                                 \
    X(SQL_DELIVERIES_PURGE, W,                                                                     \
      "DELETE FROM deliveries WHERE id IN (SELECT id FROM deliveries WHERE ended_at > 0 AND "      \
      "ended_at < ?1 ORDER BY ended_at LIMIT ?2)")                                                 \
    X(SQL_CERTIFICATES_PURGE, W,                                                                   \
      "DELETE FROM certificates WHERE check_id IN (SELECT check_id FROM certificates WHERE "       \
      "at < ?1 ORDER BY at LIMIT ?2)")                                                             \
    X(SQL_SNAPSHOTS_PURGE, W,                                                                      \
      "DELETE FROM snapshots WHERE chunk IN (SELECT chunk FROM snapshots s WHERE chunk >= 0 AND "  \
      "at < ?1 AND NOT EXISTS (SELECT 1 FROM checks c WHERE c.id >= s.chunk * 4096 AND "           \
      "c.id < (s.chunk + 1) * 4096) ORDER BY chunk LIMIT ?2)")                                     \
    X(SQL_CHECKS_PURGE, W,                                                                         \
      "DELETE FROM checks WHERE id IN (SELECT id FROM checks WHERE removed_at > 0 AND "            \
      "removed_at < ?1 ORDER BY removed_at LIMIT ?2)")                                             \
    X(SQL_SCHEDULE_LIST, R,                                                                        \
      "SELECT " SCHEDULE_COLUMNS " FROM schedules WHERE name > ?1 AND (?2 IS NULL OR owner = ?2) " \
      "ORDER BY name LIMIT ?3")                                                                    \
    X(SQL_SCHEDULE_CHECKS, R,                                                                      \
      "SELECT " CHECK_COLUMNS " FROM checks WHERE schedule = ?1 AND removed_at = 0 ORDER BY id")   \
    X(SQL_HOUR_GET, R, "SELECT rollup FROM hours WHERE hour = ?1 AND check_id = ?2")               \
    X(SQL_DAY_GET, R, "SELECT rollup FROM days WHERE hour = ?1 AND check_id = ?2")                 \
    X(SQL_OVERVIEW_CHECKS, R,                                                                      \
      "SELECT id FROM checks WHERE id > ?1 AND removed_at = 0 ORDER BY id LIMIT ?2")               \
    X(SQL_OVERVIEW_CHECKS_OF, R,                                                                   \
      "SELECT id FROM checks WHERE schedule = ?3 AND id > ?1 AND removed_at = 0 ORDER BY id "      \
      "LIMIT ?2")                                                                                  \
    X(SQL_DAYS_OF_ALL, R,                                                                          \
      "SELECT check_id, rollup FROM days WHERE hour = ?1 AND check_id >= ?2 AND check_id <= ?3 "   \
      "ORDER BY check_id")                                                                         \
    X(SQL_HOURS_OF_ALL, R,                                                                         \
      "SELECT check_id, rollup FROM hours WHERE hour = ?1 AND check_id >= ?2 AND check_id <= ?3 "  \
      "ORDER BY check_id")                                                                         \
    X(SQL_TRANSITIONS, R,                                                                          \
      "SELECT " TRANSITION_COLUMNS " FROM transitions WHERE id < ?1 ORDER BY id DESC LIMIT ?2")    \
    X(SQL_TRANSITIONS_OF, R,                                                                       \
      "SELECT " TRANSITION_COLUMNS " FROM transitions WHERE check_id = ?3 AND id < ?1 "            \
      "ORDER BY id DESC LIMIT ?2")                                                                 \
    X(SQL_MISSES_OF, R,                                                                            \
      "SELECT " MISS_COLUMNS " FROM misses WHERE check_id = ?3 AND first_seq < ?1 "                \
      "ORDER BY first_seq DESC LIMIT ?2")                                                          \
    X(SQL_HOUR_TASKS_OF, R, "SELECT tasks FROM hour_tasks WHERE hour = ?1 AND check_id = ?2")      \
    X(SQL_INCIDENTS, R,                                                                            \
      "SELECT id, schedule, doc FROM incidents WHERE id < ?1 ORDER BY id DESC LIMIT ?2")           \
    X(SQL_INCIDENTS_OPEN, R,                                                                       \
      "SELECT id, schedule, doc FROM incidents WHERE id < ?1 AND state < 2 ORDER BY id DESC "      \
      "LIMIT ?2")                                                                                  \
    X(SQL_INCIDENTS_STATE, R,                                                                      \
      "SELECT id, schedule, doc FROM incidents WHERE id < ?1 AND state = ?3 ORDER BY id DESC "     \
      "LIMIT ?2")                                                                                  \
    X(SQL_INCIDENT_GET, R, "SELECT id, schedule, doc FROM incidents WHERE id = ?3")                \
    X(SQL_CHANNELS, R,                                                                             \
      "SELECT name, doc, created_at, changed_at FROM channels WHERE name > '' ORDER BY name")      \
    X(SQL_CHANNEL_GET, R,                                                                          \
      "SELECT name, doc, created_at, changed_at FROM channels WHERE name = ?1")                    \
    X(SQL_DELIVERIES, R, "SELECT " DELIVERY_COLUMNS " FROM deliveries WHERE " DELIVERY_FILTER)     \
    X(SQL_DELIVERIES_TO, R,                                                                        \
      "SELECT " DELIVERY_COLUMNS " FROM deliveries INDEXED BY deliveries_to WHERE channel = ?3 "   \
      "AND " DELIVERY_FILTER)                                                                      \
    X(SQL_DELIVERIES_STATE, R,                                                                     \
      "SELECT " DELIVERY_COLUMNS " FROM deliveries INDEXED BY deliveries_state WHERE state = ?4 "  \
      "AND " DELIVERY_FILTER)                                                                      \
    X(SQL_DELIVERIES_OF, R,                                                                        \
      "SELECT " DELIVERY_COLUMNS " FROM deliveries INDEXED BY deliveries_of WHERE incident > 0 "   \
      "AND incident = ?5 AND " DELIVERY_FILTER)                                                    \
    X(SQL_DELIVERIES_DUE, R,                                                                       \
      "SELECT " DELIVERY_COLUMNS " FROM deliveries d INDEXED BY deliveries_due WHERE state = 0 "   \
      "AND next_at >= 0 AND (?1 IS NULL OR channel = ?1) AND (incident = 0 OR NOT EXISTS "         \
      "(SELECT 1 FROM deliveries o INDEXED BY deliveries_of WHERE o.incident > 0 AND "             \
      "o.incident = d.incident AND o.id < d.id AND o.channel = d.channel AND o.state = 0)) "       \
      "ORDER BY next_at, id LIMIT ?2")                                                             \
    X(SQL_ROLL_LANES, R,                                                                           \
      "SELECT num FROM batches WHERE num > 0 AND state < 2 AND state > 0 AND lane IS NOT NULL "    \
      "AND opened_at < ?2 UNION ALL SELECT num FROM batches WHERE state = 2 AND "                  \
      "lane IS NOT NULL AND ended_at >= ?1 AND opened_at < ?2")                                    \
    X(SQL_ROLL_FIRST, R,                                                                           \
      "SELECT task, run_at FROM tasks WHERE task >= ?1 AND task <= ?2 ORDER BY task LIMIT 1")      \
    X(SQL_ROLL_RUNS, R,                                                                            \
      "SELECT t.task, t.run_check, r.outcome, r.record FROM tasks t LEFT JOIN results r "          \
      "ON r.task = t.task WHERE t.task >= ?1 AND t.task <= ?2 AND t.run_check >= ?3 AND "          \
      "t.run_check <= ?4 AND t.run_at >= ?5 AND t.run_at < ?6 ORDER BY t.task")                    \
    X(SQL_ROLL_CHECKS, R,                                                                          \
      "SELECT id, created_at, removed_at FROM checks WHERE id >= ?1 AND "                          \
      "(removed_at = 0 OR removed_at > ?2) ORDER BY id LIMIT ?3")                                  \
    X(SQL_ROLL_CHECK, R, "SELECT id, created_at, removed_at FROM checks WHERE id = ?1")            \
    X(SQL_ROLL_STATE, R,                                                                           \
      "SELECT now FROM transitions WHERE check_id = ?1 AND at < ?2 ORDER BY id DESC LIMIT 1")      \
    X(SQL_ROLL_CHANGES, R,                                                                         \
      "SELECT check_id, at, now FROM transitions WHERE check_id = ?1 AND at >= ?2 AND at < ?3 "    \
      "ORDER BY id")                                                                               \
    X(SQL_ROLL_CHANGED, R,                                                                         \
      "SELECT check_id, at, now FROM transitions WHERE at >= ?1 AND at < ?2 ORDER BY at, id")      \
    X(SQL_ROLL_MISSES, R,                                                                          \
      "SELECT " MISS_COLUMNS                                                                       \
      " FROM misses INDEXED BY misses_last WHERE last_at >= ?1 AND first_at < ?2 AND "             \
      "check_id >= ?3 AND check_id <= ?4 ORDER BY last_at")                                        \
    X(SQL_ROLL_MISSES_OF, R,                                                                       \
      "SELECT " MISS_COLUMNS " FROM misses INDEXED BY misses_of WHERE check_id = ?3 AND "          \
      "last_at >= ?1 AND first_at < ?2")
