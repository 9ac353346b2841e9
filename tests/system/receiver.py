# SPDX-License-Identifier: MIT
"""A web server of the test's own: a site that can be ill at will, and a webhook that remembers what it was sent."""
import hashlib
import hmac
import http.server
import json
import threading
import time


class Receiver:
    """GET /site answers with `site`, POST /hook with the first of `answers`, or 200; posts are kept with their time."""

    def __init__(self):
        self.site, self.answers, self.posts, self.seen = 200, [], [], 0
        self.lock = threading.Lock()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.0"

            def answer(self, status, body=b"ok"):
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self):
                with outer.lock:
                    outer.seen += 1
                    status = outer.site
                self.answer(status)

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                with outer.lock:
                    status = outer.answers.pop(0) if outer.answers else 200
                    outer.posts.append({"at": time.monotonic(), "headers": dict(self.headers), "body": body,
                                        "status": status, "path": self.path})
                self.answer(status)

            def log_message(self, *args):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads, request_queue_size = True, 128

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def url(self, path="/site", host="127.0.0.1"):
        return f"http://{host}:{self.port}{path}"

    def told(self, event=None):
        """The messages that were taken, oldest first."""
        with self.lock:
            taken = [json.loads(p["body"]) for p in self.posts if p["status"] < 300]
        return [m for m in taken if event is None or m["event"] == event]

    def signed_by(self, key, post):
        text = post["headers"]["X-Sonde-Timestamp"].encode() + b"." + post["body"]
        want = "sha256=" + hmac.new(key.encode(), text, hashlib.sha256).hexdigest()
        return hmac.compare_digest(want, post["headers"]["X-Sonde-Signature"])

    def close(self):
        self.server.shutdown()
        self.server.server_close()
