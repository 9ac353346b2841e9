# SPDX-License-Identifier: MIT
"""The OpenAPI document says what is there: the table of routes, the codes of problems, and answers of the running master."""
import copy
import glob
import json
import os
import re

from harness import TOP, Api, Skipped, equal, expect, free_port, short

METHODS = ("get", "post", "put", "delete", "patch")


def source(name):
    with open(os.path.join(TOP, "master", "api", name), encoding="utf-8") as f:
        return f.read()


def operations(doc):
    return {(m.upper(), p): op for p, item in doc["paths"].items() for m, op in item.items() if m in METHODS}


def routes():
    """(method, path with {}) and scope, as routes.c has them."""
    table = re.search(r"static const struct route routes\[\] = \{\n(.*?)\n\};", source("routes.c"), re.DOTALL).group(1)
    rows = re.findall(r'^    \{"([A-Z]+)",\s+"([^"]+)",\s+SCOPE_([A-Z]+),', table, re.MULTILINE)
    equal(len(rows), table.count("\n") + 1, "rows of the table that were understood")
    return {(method, path): scope.lower() for method, path, scope in rows}


def codes_of_problems():
    """Every code that the sources give to a problem as a whole."""
    found = set()
    for path in glob.glob(os.path.join(TOP, "master", "api", "*.c")):
        text = source(os.path.basename(path))
        found |= set(re.findall(r'reply_problem(?:_open)?\([^;]*?MHD_HTTP_\w+,\s*"([a-z_]+)"', text))
        if os.path.basename(path) == "client.c":
            found |= set(re.findall(r'refuse\(r, "([a-z_]+)"', text))
    return found


class Shapes:
    """Holds answers against the document's schemas, closed: a member that is not in it is a finding."""

    def __init__(self, doc):
        try:
            import jsonschema
        except ImportError:
            raise Skipped("python3-jsonschema is not installed: deploy/install-deps.sh --tests") from None
        self.doc = doc
        jsonschema.Draft202012Validator.check_schema({"$defs": doc["components"]["schemas"]})
        self.closed = self._close(copy.deepcopy(doc))
        self.validator = jsonschema.Draft202012Validator
        self.seen = set()

    def _close(self, node):
        if isinstance(node, list):
            return [self._close(n) for n in node]
        if not isinstance(node, dict):
            return node
        node = {k: self._close(v) for k, v in node.items()}
        if isinstance(node.get("properties"), dict) and "type" in node:
            node.setdefault("additionalProperties", False)
        return node

    def _schema(self, schema):
        return {**schema, "components": self.closed["components"]}

    def check(self, schema, value, what):
        for e in self.validator(self._schema(schema)).iter_errors(value):
            deepest = e
            while deepest.context:
                deepest = max(deepest.context, key=lambda c: len(c.absolute_path))
            where = "/".join(str(p) for p in deepest.absolute_path)
            expect(False, f"{what}: at {where}: {deepest.message[:300]}")

    def answer(self, method, pattern, reply):
        """A reply of this operation: its status is documented, and so is its body."""
        op = operations(self.closed)[method, pattern]
        status = str(reply.status)
        expect(status in op["responses"], f"{method} {pattern} answers {status}, which is not in the document: {reply!r}")
        r = op["responses"][status]
        if "$ref" in r:
            r = self.closed["components"]["responses"][r["$ref"].rsplit("/", 1)[1]]
        self.seen.add((method, pattern))
        if "content" not in r:
            equal(reply.text, "", f"body of {method} {pattern} {status}")
            return reply
        type = reply.headers["Content-Type"].split(";")[0]
        expect(type in r["content"], f"{method} {pattern} answers {status} with {type}")
        if type.endswith("json") and type != "application/x-ndjson":
            self.check(r["content"][type]["schema"], reply.json, f"{method} {pattern} {status}")
        return reply

    def request(self, pattern, body, method="POST"):
        """What is sent is as the document says."""
        op = operations(self.closed)[method, pattern]
        self.check(op["requestBody"]["content"]["application/json"]["schema"], body, f"the body of {method} {pattern}")


@short
def test_the_document_and_the_sources_agree(w):
    w.master()
    reply = Api(w.port["api"], None).must("GET", "openapi.json")
    doc = reply.json
    with w.case("it is served as it stands in the tree, without a token"):
        equal(reply.headers["Content-Type"], "application/json", "type")
        equal(reply.text, source("openapi.json"), "the document")
        equal(doc["openapi"], "3.1.0", "version of OpenAPI")
        equal(doc["info"]["version"], w.api.must("GET", "/healthz").json["version"], "version")
    with w.case("each route has its operation, and each operation its route"):
        ours = {(m, re.sub(r"\{\w+\}", "{}", p)): op["x-scope"] for (m, p), op in operations(doc).items()}
        equal(ours, routes(), "operations and scopes")
    with w.case("each code of a problem is in the list, and none more"):
        listed = set(doc["components"]["schemas"]["Problem"]["properties"]["code"]["enum"])
        equal(codes_of_problems() - listed, set(), "codes that are not in the document")
        text = "".join(source(os.path.basename(p)) for p in glob.glob(os.path.join(TOP, "master", "api", "*.c")))
        for folder in ("proto",):
            for path in glob.glob(os.path.join(TOP, folder, "target*.[ch]")):
                with open(path, encoding="utf-8") as f:
                    text += f.read()
        equal({c for c in listed if f'"{c}"' not in text}, set(), "codes that no source says")
    with w.case("every reference leads somewhere, names are unique, parameters are declared"):
        refs = set(re.findall(r'"\$ref": "#/components/(\w+)/(\w+)"', reply.text))
        for kind, name in refs:
            expect(name in doc["components"][kind], kind, name, "does not exist")
        for kind in ("schemas", "responses"):
            unused = set(doc["components"][kind]) - {n for k, n in refs if k == kind}
            equal(unused, set(), f"{kind} that nobody uses")
        names = [op["operationId"] for op in operations(doc).values()]
        equal(len(names), len(set(names)), "operationIds")
        for (_, path), op in operations(doc).items():
            declared = {p["name"] for p in op.get("parameters", []) if p["in"] == "path"}
            equal(declared, set(re.findall(r"\{(\w+)\}", path)), f"path parameters of {path}")


def schedules(w, shapes):
    """Every call about schedules and alerts, answered or refused as the document says."""
    api, v1 = w.api, "/api/v1"

    def ask(method, pattern, path=None, body=None, **more):
        return shapes.answer(method, v1 + pattern, api.call(method, v1 + (path or pattern), body, **more))

    definition = {"every": "1s", "confirm": 0, "targets": [w.url("/ok"), {"url": f"http://127.0.0.1:{free_port()}/", "headers": {"X-A": "b"}}],
                  "goal": {"availability": 99.5, "period": "7d"}, "labels": {"team": "a"}, "agents": {"names": ["a1"], "count": 1}, "owner": "web"}
    shapes.request(v1 + "/schedules/{name}", definition, "PUT")
    ask("PUT", "/schedules/{name}", "/schedules/shop", {"every": "1s", "targets": ["nonsense"]})
    ask("PUT", "/schedules/{name}", "/schedules/shop?dry_run=1", definition)
    equal(ask("PUT", "/schedules/{name}", "/schedules/shop", definition).status, 201, "status of a new schedule")
    ask("PUT", "/schedules/{name}", "/schedules/shop", definition, headers={"If-Match": '"99"'})

    def checks():
        return {c["state"]: c for c in ask("GET", "/checks").json["checks"]}

    w.wait_for(lambda: {"up", "down"} <= set(checks()), 30, "checks that are up and down")
    incident = w.wait_for(lambda: ask("GET", "/incidents").json["incidents"], 30, "an incident")[0]["id"]
    check = checks()["down"]["id"]
    for pattern, path in (("/schedules", None), ("/schedules/{name}", "/schedules/shop?targets=1"), ("/schedules/{name}", "/schedules/none"), ("/checks/{id}", f"/checks/{check}"),
                          ("/checks/{id}/history", f"/checks/{check}/history"), ("/checks/{id}/history", f"/checks/{check}/history?by=hour"), ("/checks/{id}/runs", f"/checks/{check}/runs"),
                          ("/overview", None), ("/overview", "/overview?schedule=none"), ("/incidents/{id}", f"/incidents/{incident}"), ("/incidents/{id}", "/incidents/99"),
                          ("/alerts", None), ("/deliveries", None), ("/checks/{id}", "/checks/999")):
        ask("GET", pattern, path)
    ask("POST", "/incidents/{id}/ack", f"/incidents/{incident}/ack", {"note": "on it"})
    ask("POST", "/incidents/{id}/ack", "/incidents/99/ack")
    hook = {"kind": "webhook", "url": f"http://127.0.0.1:{free_port()}/hook", "secret": "x"}
    for body in ({"kind": "pigeon"}, hook, {**hook, "secret": "(set)"}):
        ask("PUT", "/alerts/{name}", "/alerts/ops", body)
    ask("GET", "/alerts")
    ask("GET", "/alerts/{name}", "/alerts/ops")
    ask("POST", "/alerts/{name}/test", "/alerts/ops/test")
    ask("GET", "/deliveries")
    ask("DELETE", "/alerts/{name}", "/alerts/ops")
    for method, tail in (("POST", "/pause"), ("POST", "/resume"), ("DELETE", ""), ("DELETE", "")):
        ask(method, "/schedules/{name}" + tail, "/schedules/shop" + tail)


@short
def test_answers_are_as_documented(w):
    w.fleet(agents=("a1",))
    shapes = Shapes(w.api.must("GET", "openapi.json").json)
    api = w.api

    def call(method, pattern, path=None, body=None, **more):
        if isinstance(body, dict):
            shapes.request(pattern, body)
        full = "/api/v1" + pattern if not pattern.startswith("/api") and pattern not in ("/healthz", "/readyz", "/metrics") else pattern
        return shapes.answer(method, full, api.call(method, path or full, body, **more))

    v1 = "/api/v1"
    with w.case("a batch of every kind of target, and what becomes of it"):
        refused = f"http://127.0.0.1:{free_port()}/"
        body = {"targets": [w.url("/ok"), w.url("/status/500"), refused, w.url("/redirect/2"), w.url("/ok", port="https"),
                            {"url": w.url("/ok"), "user_id": "row-1", "retries": 2, "timeout_ms": 2000, "headers": {"X-A": "b"}, "keep_body": 100, "expect": {"status": [200, "3xx"], "body_regex": ".", "max_total_ms": 9000}},
                            {"url": refused, "retries": 2, "timeout_ms": 4000},
                            {"dns": "dns:ok.test?type=A", "expect": {"min_answers": 1}}, {"dns": "dns:nothing.test?type=MX"}],
                "name": "all", "labels": {"team": "a"}, "agents": {"names": ["a1"], "count": 1}, "per_host": 4, "log_tasks": True, "defaults": {"timeout_ms": 5000}}
        shapes.request(v1 + "/batches", body)
        reply = shapes.answer("POST", v1 + "/batches", api.call("POST", "batches?wait=30s", body))
        batch = reply.json["id"]
        equal(reply.json["ended"], True, "ended")
        for query in ("", "?by=host", "?wait=1s"):
            shapes.answer("GET", v1 + "/batches/{id}", api.get(f"batches/{batch}{query}"))
        shapes.answer("GET", v1 + "/batches", api.get("batches?limit=1&state=ended"))
        page = shapes.answer("GET", v1 + "/batches/{id}/results", api.get(f"batches/{batch}/results"))
        expect({r["outcome"] for r in page.json["results"]} == {"ok", "failed"}, page)
        expect(any(r["http"] and r["http"]["redirects"] for r in page.json["results"]), "no redirect")
        expect(any(r["http"] and r["http"]["tls"] for r in page.json["results"]), "no TLS")
        for r in page.json["results"]:
            shapes.answer("GET", v1 + "/tasks/{task}", api.get(f"tasks/{r['task']}"))
        for line in api.must("GET", f"batches/{batch}/results.ndjson").text.splitlines()[:-1]:
            shapes.check({"$ref": "#/components/schemas/Result"}, json.loads(line), "a line of NDJSON")
        for ending in ("ndjson", "csv"):
            shapes.answer("GET", v1 + "/batches/{id}/results." + ending, api.get(f"batches/{batch}/results.{ending}"))
        shapes.answer("GET", v1 + "/batches/{id}/events", api.get(f"batches/{batch}/events?results=1"))
        shapes.answer("POST", v1 + "/batches/{id}/retry-failed", api.post(f"batches/{batch}/retry-failed"))
    with w.case("changes of a batch that runs"):
        slow = api.submit([w.url("/slow/20000")])
        for verb in ("pause", "resume", "cancel"):
            shapes.answer("POST", v1 + "/batches/{id}/" + verb, api.post(f"batches/{slow}/{verb}"))
        number = api.batch(slow)["id"] and len(api.must("GET", "batches").json["batches"]) << 32
        shapes.answer("GET", v1 + "/tasks/{task}", api.get(f"tasks/{number}"))
        w.wait_batch(slow, 30)
        shapes.answer("POST", v1 + "/batches/{id}/cancel", api.post(f"batches/{slow}/cancel"))
    with w.case("probes"):
        for target in ({"url": w.url("/ok")}, {"dns": "dns:ok.test?type=A", "resolver": "127.0.0.1:%d" % w.targets["dns"]}):
            shapes.request(v1 + "/probes", target)
            shapes.answer("POST", v1 + "/probes", api.post("probes", target))
        shapes.answer("POST", v1 + "/probes", api.post("probes", "no json", type="application/json"))
    with w.case("the fleet and the master"):
        w.wait_for(lambda: (api.agent("a1") or {}).get("heartbeat"), 20, "a heartbeat")
        for pattern, path in (("/agents", None), ("/agents/{name}", "/agents/a1"), ("/events", None), ("/diagnosis", None), ("/openapi.json", None)):
            shapes.answer("GET", v1 + pattern, api.get(v1 + (path or pattern)))
        for pattern in ("/healthz", "/readyz", "/metrics"):
            shapes.answer("GET", pattern, api.get(pattern))
    with w.case("schedules, checks, incidents and alerts"):
        schedules(w, shapes)
    with w.case("refusals"):
        nobody = Api(api.port, None)
        shapes.answer("GET", v1 + "/batches", nobody.get("batches"))
        shapes.answer("GET", v1 + "/batches", api.get("batches?what=1"))
        shapes.answer("GET", v1 + "/batches/{id}", api.get("batches/none"))
        shapes.answer("GET", v1 + "/agents/{name}", api.get("agents/none"))
        shapes.answer("GET", v1 + "/tasks/{task}", api.get("tasks/1"))
        for body, type in (({"targets": ["x"]}, None), ("{", "application/json"), ("x\n", "text/plain"), ("a,b\n", "text/csv"), ("", "image/png"), ({"targets": [], "what": 1}, None)):
            shapes.answer("POST", v1 + "/batches", api.call("POST", "batches?strict=1", body, type))
        shapes.answer("POST", v1 + "/batches/{id}/retry-failed", api.post(f"batches/{slow}/retry-failed?outcomes=ok"))
        shapes.answer("POST", v1 + "/probes", Api(api.port, w.token("read")).post("probes", {"url": w.url("/ok")}))
    with w.case("after the agent has gone its figures are as documented, too"):
        w.procs[-1].stop()
        w.wait_for(lambda: (api.agent("a1") or {}).get("last_disconnect"), 20, "it is gone")
        shapes.answer("GET", v1 + "/agents/{name}", api.get("agents/a1"))
        shapes.answer("GET", v1 + "/events", api.get("events"))
    with w.case("every operation was asked"):
        equal(set(operations(shapes.doc)) - shapes.seen, set(), "operations that were not")
