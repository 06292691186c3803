"""A server for tests: on the stand-in engine where its answers have to be known, slow or broken, else on the program itself."""
import http.client
import json
import os
import re
import signal
import socket
import struct
import subprocess
import threading
import time
import zlib

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
OPIS = os.environ.get('OPIS') or os.path.join(ROOT, 'build', 'opis')
FAKE = os.path.join(os.path.dirname(OPIS), 'tests', 'unit', 'serve', 'opis-serve-fake')
PICTURES = os.path.join(ROOT, 'tests', 'golden', 'pictures')


def png(width=4, height=3):
    def chunk(kind, data):
        return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))
    rows = b''.join(b'\0' + bytes(3 * width) for _ in range(height))
    return b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0)) + chunk(b'IDAT', zlib.compress(rows)) + chunk(b'IEND', b'')


def picture(name):
    with open(os.path.join(PICTURES, name), 'rb') as f:
        return f.read()


def form(*parts, boundary='xYzZy'):
    """parts: (name, value) or (name, filename, bytes) -> body, content type"""
    body = b''
    for p in parts:
        body += b'--' + boundary.encode() + b'\r\nContent-Disposition: form-data; name="' + p[0].encode() + b'"'
        if len(p) == 3:
            body += b'; filename="' + p[1].encode() + b'"\r\nContent-Type: application/octet-stream'
        value = p[-1] if isinstance(p[-1], bytes) else str(p[-1]).encode()
        body += b'\r\n\r\n' + value + b'\r\n'
    return body + b'--' + boundary.encode() + b'--\r\n', 'multipart/form-data; boundary=' + boundary


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    @property
    def json(self):
        return json.loads(self.body)


class Server:
    def __init__(self, *arguments, program=None, env=None, wait=True, defaults=('port', 'log'), cwd=None):
        self.process = subprocess.Popen([program or FAKE, 'serve', *(a for d in defaults for a in ('--' + d, {'port': '0', 'log': 'none'}[d])), *arguments], stderr=subprocess.PIPE, stdout=subprocess.PIPE,
                                        env={**os.environ, **(env or {})}, cwd=cwd)
        self.errors = ''
        line = self.process.stderr.readline().decode()
        found = re.search(r'http://\[?([^ \]]*?)\]?:(\d+)/', line)
        if not found:
            self.process.wait(10)
            raise RuntimeError(line + self.process.stderr.read().decode())
        self.errors += line
        self.port = int(found.group(2))
        self.url = 'http://127.0.0.1:%d' % self.port
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        until = time.monotonic() + 60
        while wait and self.get('/readyz').status != 200:
            assert time.monotonic() < until, 'not ready in a minute'
            time.sleep(0.02)

    def _read(self):
        for line in self.process.stderr:
            self.errors += line.decode(errors='replace')

    def request(self, method, path, body=None, headers=None, timeout=30):
        c = http.client.HTTPConnection('127.0.0.1', self.port, timeout=timeout)
        try:
            c.request(method, path, body, headers or {})
            return Answer(c.getresponse())
        finally:
            c.close()

    def get(self, path, **headers):
        return self.request('GET', path, headers={k.replace('_', '-'): v for k, v in headers.items()})

    def describe(self, *parts, query='', headers=None, timeout=30):
        body, kind = form(*parts)
        return self.request('POST', '/v1/describe' + query, body, {'Content-Type': kind, **(headers or {})}, timeout)

    def chat(self, **fields):
        return self.request('POST', '/v1/chat/completions', json.dumps(fields), {'Content-Type': 'application/json'})

    def raw(self, data, timeout=10, half_close=False):
        """Sends bytes and returns what comes until the other side closes or falls silent."""
        with socket.create_connection(('127.0.0.1', self.port), timeout=timeout) as s:
            got = b''
            try:
                s.sendall(data)
                if half_close:
                    s.shutdown(socket.SHUT_WR)
                while True:
                    piece = s.recv(65536)
                    if not piece:
                        break
                    got += piece
            except (socket.timeout, ConnectionError):
                pass
            return got

    def metric(self, name):
        for line in self.get('/metrics').body.decode().splitlines():
            if line.startswith(name + ' '):
                return float(line.split()[-1])
        return None

    def is_empty(self):
        """Whether all is given back; the last answer's request may end a moment behind its answer."""
        until = time.monotonic() + 20
        while self.metric('opis_queue_taken') or self.metric('opis_body_bytes'):
            if time.monotonic() > until:
                return False
            time.sleep(0.02)
        return True

    def memory(self):
        with open('/proc/%d/status' % self.process.pid) as f:
            return int(re.search(r'VmRSS:\s+(\d+)', f.read()).group(1)) * 1024

    def stop(self, number=signal.SIGTERM, timeout=40):
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            status = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        self.reader.join(5)
        self.process.stdout.close()
        self.process.stderr.close()
        return status

    def __enter__(self):
        return self

    def __exit__(self, *_):
        status = self.stop()
        assert status == 0, (status, self.errors)


def until(holds):
    """Waits for what must come soon, a minute at most on a busy machine."""
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end, 'it did not come in a minute'
        time.sleep(0.02)


def events(body):
    """Server-sent events -> [(name, object)]"""
    out = []
    for block in body.decode().split('\n\n'):
        fields = dict(line.split(': ', 1) for line in block.split('\n') if ': ' in line)
        if 'data' in fields:
            out.append((fields.get('event'), fields['data'] if fields['data'] == '[DONE]' else json.loads(fields['data'])))
    return out
