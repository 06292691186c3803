"""A server on this machine that answers as the hub does, and misbehaves when told to."""
import hashlib
import http.server
import json
import threading
import urllib.parse
from email.utils import formatdate
import time

COMMIT = "0123456789abcdef0123456789abcdef01234567"
LARGE = (".bin", ".safetensors")


def git_blob(data):
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


class Hub:
    """repo -> {file: bytes}. Large files are redirected to another server ("the CDN"), as the hub does. Faults are taken from the front of `faults[path]`, one a request."""

    def __init__(self):
        self.repos, self.faults, self.requests, self.private, self.gated = {}, {}, [], {}, set()
        self.revisions = {}  # (repo, revision) -> commit; "main" and the commit itself are always there
        self.lie_digest, self.lie_list = {}, {}
        self.max_at_once = self.at_once = 0
        self.slow = 0.0
        self.lock = threading.Lock()
        self.servers = []
        for role in ("hub", "cdn"):
            handler = type("Handler", (_Handler,), {"hub": self, "role": role})
            s = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
            s.daemon_threads = True
            threading.Thread(target=s.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
            self.servers.append(s)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.servers[0].server_port}"

    @property
    def cdn(self):
        return f"http://127.0.0.1:{self.servers[1].server_port}"

    def close(self):
        for s in self.servers:
            s.shutdown()
            s.server_close()

    def etag(self, repo, name):
        data = self.repos[repo][name]
        return self.lie_digest.get(name) or (hashlib.sha256(data).hexdigest() if name.endswith(LARGE) else git_blob(data))

    def gets(self, name=""):
        return [r for r in self.requests if r["method"] == "GET" and r["path"].endswith(name)]


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub
    role: str

    def log_message(self, *args):
        pass

    def answer(self, status, headers=(), body=b""):
        self.send_response(status)
        for k, v in dict(headers).items():
            self.send_header(k, v)
        if "Content-Length" not in dict(headers):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def error(self, status, code, message="no"):
        self.answer(status, {"X-Error-Code": code, "X-Error-Message": message})

    def do_HEAD(self):
        self.handle_it()

    def do_GET(self):
        self.handle_it()

    def handle_it(self):
        hub = self.hub
        with hub.lock:
            hub.requests.append({"role": self.role, "method": self.command, "path": self.path, "range": self.headers.get("Range"), "authorization": self.headers.get("Authorization")})
            waiting = hub.faults.get((self.role, self.command, self.path.split("/")[-1]), [])
            fault = waiting.pop(0) if waiting else None
            hub.at_once += 1
            hub.max_at_once = max(hub.max_at_once, hub.at_once)
        try:
            time.sleep(hub.slow)
            self.respond(fault)
        except (BrokenPipeError, ConnectionResetError):
            pass
        finally:
            with hub.lock:
                hub.at_once -= 1

    def respond(self, fault):
        hub, path = self.hub, urllib.parse.unquote(urllib.parse.urlsplit(self.path).path)
        if fault and fault[0] == "status":
            return self.answer(fault[1], fault[2] if len(fault) > 2 else {})
        if fault and fault[0] == "hang up":
            self.close_connection = True
            return self.connection.close()
        if path.startswith("/renamed/"):
            return self.answer(307, {"Location": self.path.replace("/renamed/", "/")})
        parts = path.strip("/").split("/")
        if parts[:2] == ["api", "models"]:
            return self.list("/".join(parts[2:4]), "/".join(parts[5:]))
        if len(parts) < 5 or parts[2] != "resolve":
            return self.error(404, "EntryNotFound")
        return self.file("/".join(parts[:2]), parts[3], "/".join(parts[4:]), fault)

    def allowed(self, repo):
        token = self.headers.get("Authorization")
        if repo in self.hub.gated and self.role == "hub":
            self.error(403, "GatedRepo")
            return False
        need = self.hub.private.get(repo)
        if repo not in self.hub.repos or (need and token != f"Bearer {need}" and self.role == "hub"):
            self.error(401, "RepoNotFound", "Invalid username or password.")
            return False
        return True

    def list(self, repo, revision):
        hub = self.hub
        if not self.allowed(repo):
            return None
        commit = COMMIT if revision in ("main", COMMIT) else hub.revisions.get((repo, revision))
        if not commit:
            return self.error(404, "RevisionNotFound")
        siblings = []
        for name, data in hub.repos[repo].items():
            entry = {"rfilename": name, "size": len(data), "blobId": git_blob(data)}
            if name.endswith(LARGE):
                entry["lfs"] = {"sha256": hub.etag(repo, name), "size": len(data), "pointerSize": 134}
            siblings.append(entry)
        siblings += hub.lie_list.get(repo, [])
        return self.answer(200, {"Content-Type": "application/json"}, json.dumps({"id": repo, "sha": commit, "siblings": siblings}).encode())

    def file(self, repo, commit, name, fault):
        hub = self.hub
        if not self.allowed(repo):
            return None
        data = hub.repos[repo].get(name)
        if data is None:
            return self.error(404, "EntryNotFound")
        if name.endswith(LARGE) and self.role == "hub":
            headers = {"Location": hub.cdn + self.path + "?X-Amz-Signature=1", "X-Repo-Commit": commit, "X-Linked-Size": str(len(data)), "X-Linked-Etag": f'"{hub.etag(repo, name)}"', "ETag": '"of-the-redirect"'}
            return self.answer(302, headers)
        begin, status, headers = 0, 200, {"ETag": f'"{hub.etag(repo, name)}"', "X-Repo-Commit": commit, "Accept-Ranges": "bytes", "Date": formatdate(usegmt=True)}
        wanted = self.headers.get("Range")
        if wanted and not (fault and fault[0] == "no ranges"):
            begin, status = int(wanted[len("bytes=") :].split("-")[0]), 206
            headers["Content-Range"] = f"bytes {begin}-{len(data) - 1}/{len(data)}"
        body = data[begin:]
        if fault and fault[0] == "other bytes":
            body = bytes(b ^ 1 for b in body)
        if fault and fault[0] == "cut":
            headers["Content-Length"] = str(len(body))
            self.close_connection = True
            self.answer(status, headers, body[: fault[1]])
            self.wfile.flush()
            return self.connection.close()
        if fault and fault[0] == "stall":
            headers["Content-Length"] = str(len(body))
            self.answer(status, headers, body[: fault[1]])
            self.wfile.flush()
            return fault[2].wait(60)
        return self.answer(status, headers, body)
