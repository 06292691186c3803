"""Servers for the tests of remotes: Debian's own (OpenSSH's, Apache, rclone's), a folder over HTTP, and proxies between that do what bad networks and tired services do."""
import base64
import collections
import contextlib
import hashlib
import http.client
import http.server
import os
import pathlib
import pwd
import shutil
import socket
import subprocess
import threading
import time


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(port, process):
    for _ in range(600):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        assert process.poll() is None, "the server ended at once"
        time.sleep(0.05)
    raise AssertionError("the server does not start")


@contextlib.contextmanager
def program(*arguments, port, env=None):
    """A server as a process, until the end of the block."""
    process = subprocess.Popen(list(map(str, arguments)), env=dict(os.environ, **(env or {})), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    try:
        wait_for(port, process)
        yield port
    finally:
        process.kill()
        process.wait()


def installed(name):
    """Where a server's program is; Debian keeps them off a user's PATH."""
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/lib/openssh")
    assert path, f"{name} is not installed (ci/packages-test.txt)"
    return path


def new_key(path):
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return path


def account():
    """The name of who runs the tests."""
    return pwd.getpwuid(os.getuid()).pw_name


def locked(name):
    """Whether sshd takes the account for locked, unless PAM says otherwise: what it can see of its password begins with "!"."""
    return subprocess.run(["getent", "shadow", name], capture_output=True, text=True).stdout.startswith(f"{name}:!")


@contextlib.contextmanager
def sshd(folder):
    """OpenSSH's server with keys of its own: lets in who runs the tests with the key folder/key, to SFTP only."""
    folder.mkdir(parents=True)
    new_key(folder / "host")
    shutil.copy(f"{new_key(folder / 'key')}.pub", folder / "authorized")
    port = free_port()
    if os.getuid() == 0:
        os.makedirs("/run/sshd", exist_ok=True)  # what its own unit makes
    (folder / "config").write_text(f"""ListenAddress 127.0.0.1:{port}
HostKey {folder}/host
AuthorizedKeysFile {folder}/authorized
PidFile none
StrictModes no
UsePAM {'yes' if locked(account()) else 'no'}
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
Subsystem sftp internal-sftp
ForceCommand internal-sftp
""")
    with program(installed("sshd"), "-D", "-e", "-f", folder / "config", port=port):
        yield port


@contextlib.contextmanager
def apache(folder, files, user, password):
    """Apache's WebDAV over the folder `files`. It refuses to be root: then it is nobody, who may still go into root's folders."""
    for path in (folder, files):
        path.mkdir(parents=True, exist_ok=True)
    port = free_port()
    (folder / "users").write_text(f"{user}:{{SHA}}{base64.b64encode(hashlib.sha1(password.encode()).digest()).decode()}\n")
    modules = "mpm_event authn_core authn_file authz_core authz_user auth_basic dav dav_fs".split()
    (folder / "config").write_text("".join(f"LoadModule {m}_module /usr/lib/apache2/modules/mod_{m}.so\n" for m in modules) + f"""ServerRoot {folder}
ServerName 127.0.0.1
Listen 127.0.0.1:{port}
PidFile {folder}/pid
DefaultRuntimeDir {folder}
ErrorLog {folder}/log
DocumentRoot {files}
DavLockDB {folder}/locks
<Directory {files}>
  Dav On
  AuthType Basic
  AuthName files
  AuthUserFile {folder}/users
  Require valid-user
</Directory>
""")
    nobody = ["setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups", "--inh-caps", "+dac_override", "--ambient-caps", "+dac_override"] if os.getuid() == 0 else []
    with program(*nobody, installed("apache2"), "-X", "-f", folder / "config", port=port):
        yield port


@contextlib.contextmanager
def rclone_serve(kind, folder, user="me", password="s3cret word"):
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    with program(installed("rclone"), "serve", kind, "--addr", f"127.0.0.1:{port}", "--config", "", folder, port=port, env={"RCLONE_USER": user, "RCLONE_PASS": password}):
        yield port


class Files(http.server.SimpleHTTPRequestHandler):
    """A folder over HTTP, with what the server wants to see in the headers."""
    protocol_version = "HTTP/1.1"
    wanted = None  # (name, value)

    def log_message(self, *_):
        pass

    def allowed(self):
        if self.wanted is None or self.headers.get(self.wanted[0]) == self.wanted[1]:
            return True
        self.send_response(401)
        self.send_header("Content-Length", "0")
        self.end_headers()
        return False

    def do_GET(self):
        if self.allowed():
            super().do_GET()

    def do_HEAD(self):
        if self.allowed():
            super().do_HEAD()


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, *_):  # a client that goes away is no news
        pass


@contextlib.contextmanager
def serving(handler):
    server = Server(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


@contextlib.contextmanager
def files(folder, wanted=None):
    folder.mkdir(parents=True, exist_ok=True)
    with serving(lambda *a, **k: type("Handler", (Files,), {"wanted": wanted})(*a, directory=str(folder), **k)) as port:
        yield port


def basic(user, password):
    return ("Authorization", "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode())


class Fault:
    """What a request meets: a status in place of the answer, a wait before it, the connection cut before it or in the middle of its body; or (change) what is sent arrives otherwise."""

    def __init__(self, status=None, wait=0, cut=None, body=b"", headers=(), change=False):
        self.status, self.wait, self.cut, self.body, self.headers, self.change = status, wait, cut, body, headers, change


Request = collections.namedtuple("Request", "method path n headers")


@contextlib.contextmanager
def proxy(port, rule):
    """Between a client and a server on `port`. rule(request) gives a Fault or None. Yields the proxy's port and the list of requests seen."""
    seen = []
    lock = threading.Lock()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def any(self):
            with lock:
                seen.append(Request(self.command, self.path, len(seen) + 1, self.headers))
                fault = rule(seen[-1])
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if fault and fault.change:
                body = body[:-1] + bytes([body[-1] ^ 1])
            if fault and fault.wait:
                time.sleep(fault.wait)
            if fault and fault.cut == 0:
                self.close_connection = True
                return
            if fault and fault.status:
                self.send_response(fault.status)
                for name, value in fault.headers:
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(fault.body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(fault.body)
                return
            upstream = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                upstream.putheader(name, value)
            upstream.endheaders(body or None)
            answer = upstream.getresponse()
            data = answer.read()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("transfer-encoding", "content-length", "connection", "date", "server"):
                    self.send_header(name, value)
            length = answer.getheader("Content-Length") if self.command == "HEAD" else len(data)
            if length is not None and answer.status != 204:
                self.send_header("Content-Length", str(length))
            self.end_headers()
            if self.command != "HEAD":
                if fault and fault.cut is not None and len(data) > fault.cut:
                    self.wfile.write(data[:fault.cut])
                    self.close_connection = True
                else:
                    self.wfile.write(data)
            upstream.close()

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = do_PROPFIND = do_MKCOL = do_MOVE = do_COPY = do_OPTIONS = any

    with serving(Handler) as own:
        yield own, seen


class Wire:
    """Between a client and a server on `port`: passes bytes on and counts the connections. What a connection meets is the first of `fates` (taken away), else `always`: None; ("cut", n), after n bytes
    of the client's it is broken; ("stall", n), after them nothing passes any more, either way."""

    def __init__(self, port, *fates, always=None):
        self.server_port, self.fates, self.always = port, list(fates), always
        self.total = self.now = self.most = 0
        self.lock, self.over = threading.Lock(), threading.Event()

    def __enter__(self):
        self.listener = socket.socket()
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(256)
        self.port = self.listener.getsockname()[1]
        self.acceptor = threading.Thread(target=self.accept, daemon=True)
        self.acceptor.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.listener.shutdown(socket.SHUT_RDWR)  # ends accept(), which would go on with whatever gets the same number
        self.acceptor.join()
        self.listener.close()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self.serve, args=(self.listener.accept()[0],), daemon=True).start()

    def serve(self, client):
        with self.lock:
            self.total += 1
            self.now += 1
            self.most = max(self.most, self.now)
            fate, limit = (self.fates.pop(0) if self.fates else self.always) or (None, None)
        stalled = threading.Event()
        with contextlib.suppress(OSError), client, socket.create_connection(("127.0.0.1", self.server_port)) as server:
            def pump(a, b, limit):
                with contextlib.suppress(OSError):
                    while (limit is None or limit > 0) and (data := a.recv(65536 if limit is None else min(65536, limit))):
                        if stalled.is_set():
                            break
                        b.sendall(data)
                        limit = None if limit is None else limit - len(data)
                    if limit == 0 and fate == "stall":
                        stalled.set()
                        while not self.over.is_set() and a.recv(65536):  # until the client gives up
                            pass
                if not stalled.is_set() or limit == 0:
                    for s in (a, b):
                        with contextlib.suppress(OSError):
                            s.shutdown(socket.SHUT_RDWR)

            back = threading.Thread(target=pump, args=(server, client, None), daemon=True)
            back.start()
            pump(client, server, limit)
            back.join()
        with self.lock:
            self.now -= 1


def use(repo, url, **settings):
    """Makes url the default remote of a repository; the settings go into config.local, which git does not see."""
    repo.ok("remote", "add", "-d", "-f", "store", url)
    for name, value in settings.items():
        repo.ok("remote", "modify", "--local", "store", name, value)
    return repo


def wrong_objects(folder):
    """Objects below a folder whose content is not what their name says."""
    wrong = []
    for path in pathlib.Path(folder).rglob("*"):
        at = path.relative_to(folder).parts
        if path.is_file() and len(at) >= 2 and len(at[-2]) == 2 and len(at[-1]) >= 30:
            if hashlib.md5(path.read_bytes()).hexdigest() != (at[-2] + at[-1])[:32]:
                wrong.append(path)
    return wrong


def objects(folder):
    return [p for p in pathlib.Path(folder).rglob("*") if p.is_file() and len(p.parent.name) == 2 and len(p.name) >= 30]


def command_lines():
    """Of every process that there is, with those of its environment left out: what anybody on the machine may read."""
    lines = []
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            lines.append(path.read_bytes())
    return lines
