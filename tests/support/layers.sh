#!/bin/sh
# SPDX-License-Identifier: MIT
# Holds the layers: which folder may include which, and which library's header may appear where.
# Prints each breach as FILE:LINE and ends with 1 if there is one.
set -eu
cd "$(dirname "$0")/../.."

# folder (longest match counts) | what it may include of ours, as prefixes
ours() {
    cat <<'TABLE'
common/ws/     common/
common/        common/
proto/         common/ proto/
agent/policy/  common/ proto/ agent/policy/
agent/outbox/  common/ proto/ agent/outbox/
agent/health/  common/ proto/ agent/health/
agent/probe/   common/ proto/ agent/policy/ agent/health/ agent/probe/ agent/run/
agent/run/     common/ proto/ agent/policy/ agent/health/ agent/probe/ agent/run/
agent/page/    common/ proto/ agent/page/
agent/link/    common/ proto/ agent/policy/ agent/health/ agent/outbox/ agent/page/ agent/probe/ agent/run/ agent/link/
agent/         common/ proto/ agent/
master/core/   common/ proto/ master/core/
master/schedule/  common/ proto/ master/schedule/
master/store/  common/ proto/ master/schedule/ master/store/
master/alert/  common/ proto/ master/schedule/ master/store/ master/alert/
master/auth/   common/ proto/ master/auth/
master/diagnosis/  common/ proto/ master/core/ages.h master/core/core.h master/diagnosis/
master/nginxconf/  common/ proto/ master/nginxconf/
master/hub/    common/ proto/ master/alert/alert.h master/auth/ master/core/ master/schedule/ master/store/ master/hub/
master/api/    common/ proto/ master/alert/alert.h master/alert/alert_req.h master/auth/ master/core/ master/diagnosis/ master/schedule/ master/store/ master/api/ master/web/
master/ctl/    common/ proto/ master/ctl/
master/        common/ proto/ master/
TABLE
}

# a library's header, as a prefix | the folders or files that may see it, as prefixes
libraries() {
    cat <<'TABLE'
libwebsockets.h  common/ws/ agent/link/ master/hub/
uv.h             common/ws/ agent/link/ master/hub/
microhttpd.h     master/api/ agent/page/
curl/            agent/run/ agent/probe/ master/alert/ master/ctl/
ares.h           agent/run/ agent/probe/
sqlite3.h        master/store/sqlite
glib             master/schedule/zone.c
cjson/           common/json
TABLE
}

# a folder | what it must never see: the pure cores know no thread, socket or loop.
# core_req.h and schedule_req.h are the seam: the letters that hub and api, which do not see each other, pass. So they alone
# know the mailbox's letter, and nothing else of core and schedule may include them.
never() {
    cat <<'TABLE'
common/       common/ws/
proto/        pthread.h threads.h sys/socket.h sys/epoll.h
agent/health/ pthread.h threads.h sys/epoll.h
agent/outbox/outbox.   pthread.h fcntl.h unistd.h common/mailbox.h agent/outbox/spooler.h agent/outbox/spool_dir.h
agent/outbox/segment.  pthread.h fcntl.h unistd.h common/mailbox.h agent/outbox/spooler.h agent/outbox/spool_dir.h
agent/outbox/spool.    pthread.h fcntl.h unistd.h common/mailbox.h agent/outbox/spooler.h agent/outbox/spool_dir.h
master/core/  pthread.h threads.h sys/socket.h sys/epoll.h common/mailbox.h common/ws/ master/core/core_req.h
master/schedule/  pthread.h threads.h time.h sys/ fcntl.h unistd.h common/mailbox.h common/ws/ master/schedule/schedule_req.h
master/diagnosis/  pthread.h threads.h fcntl.h unistd.h dirent.h sys/ common/mailbox.h common/hostinfo.h common/ws/
master/nginxconf/  pthread.h threads.h fcntl.h unistd.h dirent.h glob.h sys/ common/file_text.h common/mailbox.h common/ws/
TABLE
}

includes() {
    find common proto agent master -name '*.[ch]' -exec grep -HnE '^[[:space:]]*#[[:space:]]*include' {} + |
        sed -E 's/^([^:]+):([0-9]+):[^<"]*[<"]([^>"]+)[>"].*/\1 \2 \3/'
}

{
    ours | sed 's/^/ours /'
    libraries | sed 's/^/lib /'
    never | sed 's/^/never /'
    includes | sed 's/^/inc /'
} | awk '
function starts(text, prefix) { return index(text, prefix) == 1 }
function listed(text, list,    n, part, i) {
    n = split(list, part, " ")
    for (i = 1; i <= n; i++) if (starts(text, part[i])) return 1
    return 0
}
function rest(    s, i) { s = ""; for (i = 3; i <= NF; i++) s = s " " $i; return s }
function breach(why) { print $2 ":" $3 ": includes " $4 ": " why; bad = 1 }
$1 == "ours"  { may[$2] = rest(); next }
$1 == "lib"   { only[$2] = rest(); next }
$1 == "never" { no[$2] = rest(); next }
{
    folder = ""
    for (f in may) if (starts($2, f) && length(f) > length(folder)) folder = f
    if ($4 ~ /^(common|proto|agent|master)\// && !listed($4, may[folder]))
        breach("a file of " folder " may see only" may[folder])
    for (l in only) if (starts($4, l) && !listed($2, only[l])) breach("that belongs to" only[l] " alone")
    if (($2 == "master/core/core_req.h" || $2 == "master/schedule/schedule_req.h") && $4 == "common/mailbox.h") next
    if ($2 == "master/schedule/schedule_req.c" && $4 == "master/schedule/schedule_req.h") next
    for (f in no) if (starts($2, f) && !(f == "common/" && starts($2, "common/ws/")) && listed($4, no[f]))
        breach("never in " f)
}
END { exit bad }'
