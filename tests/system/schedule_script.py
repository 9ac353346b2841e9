# SPDX-License-Identifier: MIT
"""A master's API of schedules by script: what the command line asks of it is kept, and its answers are the contract's."""
import http.server
import json
import threading
import urllib.parse

PROBLEM = "application/problem+json"
AT = "2026-11-28T09:00:00.000000Z"


class Refused(Exception):
    def __init__(self, status, code, detail, field=None):
        super().__init__(detail)
        self.status, self.body = status, {"code": code, "detail": detail, "field": field, "status": status}


def key_of(target):
    return target if isinstance(target, str) else target.get("url") or target.get("dns")


def diff_of(old, new):
    old, new = old or {}, new or {}
    names = [n for n in {**old, **new} if n not in ("targets", "name", "paused")]
    fields = [{"field": n, "from": old.get(n), "to": new.get(n)} for n in names if old.get(n) != new.get(n)]
    was = {key_of(t): t for t in old.get("targets", [])}
    now = {key_of(t): t for t in new.get("targets", [])}
    targets = [{"key": k, "what": "new"} for k in now if k not in was]
    targets += [{"key": k, "what": "changed"} for k in now if k in was and was[k] != now[k]]
    targets += [{"key": k, "what": "removed"} for k in was if k not in now]
    return {"definition": fields, "targets": targets}


class Script:
    """schedules and alerts are what is there; calls are ("PUT", path, query, body) as they came."""

    def __init__(self):
        self.schedules, self.alerts, self.answers, self.calls = {}, {}, {}, []
        self.busy = 0  # so many PUTs are answered with 429 first
        script = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def any(self):
                script.serve(self)

            do_GET = do_PUT = do_POST = do_DELETE = any

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def writes(self):
        """What was changed, in order."""
        return [f"{m} {p}" for m, p, q, _ in self.calls if m != "GET" and "dry_run" not in q]

    def serve(self, h):
        split = urllib.parse.urlsplit(h.path)
        query = dict(urllib.parse.parse_qsl(split.query))
        path = split.path.removeprefix("/api/v1/")
        text = h.rfile.read(int(h.headers.get("Content-Length") or 0))
        body = json.loads(text) if text else None
        self.calls.append((h.command, path, query, body))
        try:
            status, answer = self.answer(h.command, path.split("/"), query, body)
            kind = "application/json"
        except Refused as e:
            status, answer, kind = e.status, e.body, PROBLEM
        out = b"" if answer is None else json.dumps(answer).encode()
        h.send_response(status)
        if out:
            h.send_header("Content-Type", kind)
        if status == 429:
            h.send_header("Retry-After", "1")
        h.send_header("Content-Length", str(len(out)))
        h.end_headers()
        h.wfile.write(out)

    def answer(self, method, path, query, body):
        if path[0] == "schedules" and method == "GET" and len(path) == 1:
            return 200, self.page(query)
        if path[0] == "schedules" and len(path) == 2 and method == "PUT":
            return self.put(path[1], query, body)
        if path[0] == "schedules" and len(path) > 1:
            return self.one(method, path, query)
        if path[0] == "alerts" and len(path) > 1:
            return self.alert(method, path, body)
        canned = self.answers.get("/".join([method, *path]))
        if canned is None:
            raise Refused(404, "not_found", "there is nothing of that name")
        if isinstance(canned, list):  # pages, by cursor
            return 200, canned[int(query.get("cursor", 0))]
        return 200, canned

    def put(self, name, query, body):
        if self.busy:
            self.busy -= 1
            raise Refused(429, "busy", "one at a time")
        for i, channel in enumerate(body.get("alerts", [])):
            if channel not in self.alerts:
                raise Refused(422, "invalid_schedule", f"there is no alert channel '{channel}'", f"alerts[{i}]")
        for i, t in enumerate(body["targets"]):
            if isinstance(t, dict) and "timeout_ms" in t and not isinstance(t["timeout_ms"], int):
                raise Refused(422, "invalid_schedule", "'timeout_ms' must be an integer", f"targets[{i}].timeout_ms")
        old = self.schedules.get(name)
        diff = diff_of(old, body)
        counts = {w: sum(t["what"] == w for t in diff["targets"]) for w in ("new", "changed", "removed")}
        answer = {"name": name, "version": 1, "created": old is None, "checks": len(body["targets"]), **counts}
        if query.get("dry_run"):
            return 200, {**answer, "dry_run": True, "diff": diff}
        self.schedules[name] = body
        return 201 if old is None else 200, answer

    def row(self, name):
        s = self.schedules[name]
        n = len(s["targets"])
        return {"name": name, "owner": s.get("owner"), "paused": s.get("paused", False), "checks": n,
                "when": {k: s.get(k) for k in ("every", "cron", "zone")},
                "states": {"up": n, "degraded": 0, "down": 0, "unknown": 0}, "flapping": 0, "runs": 1234,
                "missed": {"overloaded": 12, "no_agent": 3}, "next_at": "2026-11-28T10:00:00.000000Z", "version": 1,
                "created_at": AT, "changed_at": AT}

    def page(self, query):
        """Two in each page, so that every list has several."""
        names = sorted(n for n, s in self.schedules.items() if query.get("owner") in (None, s.get("owner")))
        at = int(query.get("cursor", 0))
        more = str(at + 2) if at + 2 < len(names) else None
        return {"schedules": [self.row(n) for n in names[at : at + 2]], "next_cursor": more}

    def one(self, method, path, query):
        name = path[1]
        if name not in self.schedules:
            raise Refused(404, "no_such_schedule", f"there is no schedule '{name}'")
        if method == "DELETE":
            del self.schedules[name]
            return 204, None
        if method == "POST":
            self.schedules[name]["paused"] = path[2] == "pause"
            return 200, {"name": name, "paused": path[2] == "pause"}
        definition = {"name": name, **self.schedules[name]}
        if not query.get("targets"):
            definition.pop("targets")
        return 200, {**self.row(name), "definition": definition}

    def alert(self, method, path, body):
        name = path[1]
        if method == "PUT":
            if "kind" not in body:
                raise Refused(422, "invalid_channel", "'kind' is missing")
            created = name not in self.alerts
            self.alerts[name] = body
            return 201 if created else 200, {"name": name}
        if name not in self.alerts:
            raise Refused(404, "no_such_alert", f"there is no alert channel '{name}'")
        if method == "DELETE":
            del self.alerts[name]
            return 204, None
        if method == "POST":
            return 200, {"delivered": False, "status": 503, "error": "the service says no", "took_ms": 120}
        shown = dict(self.alerts[name])
        if "secret" in shown:
            shown["secret"] = "(set)"
        return 200, {"name": name, "definition": shown, "created_at": AT, "changed_at": AT}
