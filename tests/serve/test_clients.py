"""Clients that are slow, rude, hostile or gone; queues that are full; servers that go down."""
import http.client
import os
import random
import signal
import socket
import stat
import subprocess
import threading
import time

import pytest

from helper import FAKE, Server, form, png, until


def request_bytes(body, path='/v1/describe', kind='image/png', length=None, extra=''):
    return (f'POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\nContent-Length: {len(body) if length is None else length}\r\n{extra}\r\n').encode() + body


def many(n, work):
    """Runs work(i) in n threads; what they return, in order."""
    out = [None] * n

    def one(i):
        out[i] = work(i)
    threads = [threading.Thread(target=one, args=(i,)) for i in range(n)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(60)
    return out


@pytest.fixture(scope='module')
def small():
    """Small limits."""
    with Server('--max-upload', '100K', '--max-pixels', '10000', '--body-timeout', '1') as s:
        yield s


def test_limits(small):
    assert small.describe(('image', 'x.png', png(100, 100))).status == 200
    a = small.describe(('image', 'x.png', png(101, 100)))
    assert a.status == 422 and a.json['error']['code'] == 'OPIS_ELIMIT'
    a = small.request('POST', '/v1/describe', b'x' * (100 * 1024 + 1), {'Content-Type': 'image/png'})
    assert a.status == 413 and a.json['error']['code'] == 'OPIS_ELIMIT'
    assert small.request('POST', '/v1/describe', png() + b'x' * (100 * 1024 - len(png())), {'Content-Type': 'image/png'}).status == 200


def test_a_large_announced_body_is_refused_before_it_comes(small):
    got = small.raw(request_bytes(b'', length=10 ** 12))
    assert got.startswith(b'HTTP/1.1 413 ') and b'OPIS_ELIMIT' in got
    got = small.raw(request_bytes(b'', length=10 ** 12, extra='Expect: 100-continue\r\n'))
    assert got.startswith(b'HTTP/1.1 413 ')


def test_a_chunked_body_over_the_limit_gets_its_answer(small):
    head = b'POST /v1/describe HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\n'
    got = small.raw(head + (b'8000\r\n' + b'x' * 0x8000 + b'\r\n') * 8)
    assert got.startswith(b'HTTP/1.1 413 ') and b'OPIS_ELIMIT' in got


def test_slow_body(small):
    began = time.monotonic()
    got = small.raw(request_bytes(b'abc', length=5000))
    assert got.startswith(b'HTTP/1.1 408 ') and b'OPIS_ETIMEOUT' in got and time.monotonic() - began < 6
    assert small.get('/healthz').status == 200


def test_dripping_body(small):
    with socket.create_connection(('127.0.0.1', small.port), timeout=10) as s:
        s.sendall(request_bytes(b'', length=5000))
        got = b''
        s.settimeout(0.1)
        for _ in range(60):
            try:
                s.sendall(b'x')
                got += s.recv(4096)
            except socket.timeout:
                continue
            except OSError:
                break
            if got:
                break
    assert got.startswith(b'HTTP/1.1 408 ')


def test_half_closed_and_broken_off(small):
    for data in (b'', b'G', b'GET / HTTP/1.1\r\n', b'GET / HTTP/1.1\r\nHost: localhost\r\n', request_bytes(b'abc', length=50), b'\x16\x03\x01\x02\x00\x01', b'\0' * 100):
        small.raw(data, timeout=2, half_close=True)
    assert small.get('/healthz').status == 200


def test_header_flood(small):
    got = small.raw(b'GET /healthz HTTP/1.1\r\nHost: localhost\r\n' + b''.join(b'X-%d: %s\r\n' % (i, b'y' * 100) for i in range(5000)) + b'\r\n', timeout=3)
    assert got == b'' or got.split(b' ')[1] in (b'413', b'431', b'400')
    small.raw(b'GET /' + b'a' * 200000 + b' HTTP/1.1\r\nHost: localhost\r\n\r\n', timeout=3)
    assert small.get('/healthz').status == 200


def test_paths(small):
    for path in ('/../../etc/passwd', '/%2e%2e/%2e%2e/etc/passwd', '//etc/passwd', '/v1/describe/..', '/v1/models/../../x', '/%00', '/index.html', '/app.js/', '/\xff'):
        got = small.raw(b'GET ' + path.encode('latin-1') + b' HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n', timeout=3)
        assert got.split(b' ')[1] in (b'404', b'400', b'200') and b'root:' not in got, path
        if b' 200 ' in got[:20]:
            assert path == '/%00'


@pytest.mark.parametrize('host, status', [
    ('localhost', 200), ('LOCALHOST:8501', 200), ('127.0.0.1', 200), ('[::1]:80', 200), ('127.1.2.3', 200), ('evil.example', 403), ('localhost.evil.example', 403), ('127.0.0.1.nip.io', 403),
    ('192.168.1.5', 403), ('', 403), ('[::1', 403), ('good.example', 200), ('good.example.', 200),
])
def test_host(host, status):
    global hosts
    try:
        hosts
    except NameError:
        hosts = Server('--allow-host', 'good.example')
    got = hosts.raw(f'GET /healthz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n'.encode())
    assert int(got.split(b' ')[1]) == status


def test_host_missing_or_twice():
    assert b' 400 ' in hosts.raw(b'GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n')[:20]
    assert b' 400 ' in hosts.raw(b'GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\nConnection: close\r\n\r\n')[:20]
    assert hosts.stop() == 0


def test_foreign_pages(small):
    body, kind = form(('image', 'x.png', png()))
    for origin, status in ((None, 200), ('http://localhost:%d' % small.port, 200), ('https://evil.example', 403), ('null', 403)):
        a = small.request('POST', '/v1/describe', body, {'Content-Type': kind, 'Host': 'localhost:%d' % small.port, **({'Origin': origin} if origin else {})})
        assert a.status == status and a.headers['Access-Control-Allow-Origin'] is None
    with Server('--cors', 'https://friend.example') as s:
        a = s.request('POST', '/v1/describe', body, {'Content-Type': kind, 'Origin': 'https://friend.example'})
        assert a.status == 200 and a.headers['Access-Control-Allow-Origin'] == 'https://friend.example'
        a = s.request('OPTIONS', '/v1/describe', None, {'Origin': 'https://friend.example', 'Access-Control-Request-Method': 'POST'})
        assert a.status == 204 and 'POST' in a.headers['Access-Control-Allow-Methods']
        assert s.request('OPTIONS', '/v1/describe', None, {'Origin': 'https://evil.example'}).headers['Access-Control-Allow-Origin'] is None


def test_keys(tmp_path):
    keys = tmp_path / 'keys'
    keys.write_text('# ours\nfirst-key\n  second-key  # with a word\n')
    with Server('--api-key-file', str(keys), '--history', str(tmp_path / 'h.sqlite')) as s:
        body, kind = form(('image', 'x.png', png()))
        for headers, status in (({}, 401), ({'Authorization': 'Bearer wrong'}, 401), ({'Authorization': 'Bearer first-key'}, 200), ({'X-API-Key': 'second-key'}, 200),
                                ({'Authorization': 'Basic first-key'}, 401), ({'Authorization': 'Bearer '}, 401), ({'Authorization': 'Bearer # ours'}, 401)):
            assert s.request('POST', '/v1/describe', body, {'Content-Type': kind, **headers}).status == status, headers
        a = s.get('/v1/models')
        assert a.status == 401 and a.headers['WWW-Authenticate'] == 'Bearer'
        a = s.request('POST', '/v1/chat/completions', '{}', {'Content-Type': 'application/json'})
        assert a.status == 401 and a.json['error']['code'] == 'invalid_api_key'
        assert [s.get(p).status for p in ('/', '/healthz', '/readyz', '/openapi.json', '/metrics')] == [200, 200, 200, 200, 401]
        assert len(s.get('/v1/history', Authorization='Bearer first-key').json['entries']) == 1
        assert s.get('/v1/history', Authorization='Bearer first-key').json['entries'] != s.get('/v1/history', Authorization='Bearer second-key').json['entries']


def test_full_queue():
    with Server('--queue', '4', env={'OPIS_FAKE_MS': '40'}) as s:
        answers = many(16, lambda i: s.describe(('image', 'x.png', png())))
        statuses = sorted({a.status for a in answers})
        assert statuses in ([200, 429], [200, 429, 503], [200, 503]) and sum(a.status == 200 for a in answers) >= 3
        assert all(a.headers['Retry-After'] for a in answers if a.status != 200)
        assert all(a.json['error']['code'] == 'OPIS_EBUSY' for a in answers if a.status != 200)
        assert s.describe(*[('image', 'x.png', png())] * 5).status == 413
        assert s.is_empty()


def test_health_answers_while_the_engine_is_busy():
    with Server(env={'OPIS_FAKE_MS': '100'}) as s:
        threads = [threading.Thread(target=s.describe, args=(('image', 'x.png', png()),)) for _ in range(6)]
        for t in threads:
            t.start()
        for _ in range(20):
            began = time.monotonic()
            assert s.get('/healthz').status == 200 and time.monotonic() - began < 0.5
        for t in threads:
            t.join()


def test_a_client_that_leaves_cancels_its_job():
    with Server(env={'OPIS_FAKE_MS': '300'}) as s:
        for stream in ('', '?stream=true'):
            with socket.create_connection(('127.0.0.1', s.port)) as c:
                c.sendall(request_bytes(png(), '/v1/describe' + stream))
                time.sleep(0.5)
                assert s.metric('opis_queue_taken') == 1
            began = time.monotonic()
            while s.metric('opis_queue_taken'):
                assert time.monotonic() - began < 1.2, 'the job of a client that has left goes on'
                time.sleep(0.02)


def test_time_limit():
    with Server('--timeout', '0.5', env={'OPIS_FAKE_MS': '200'}) as s:
        a = s.describe(('image', 'x.png', png()))
        assert a.status == 503 and a.json['error']['code'] == 'OPIS_ETIMEOUT' and a.headers['Retry-After']


def test_term_finishes_what_was_begun():
    s = Server(env={'OPIS_FAKE_MS': '150'})
    kept = http.client.HTTPConnection('127.0.0.1', s.port, timeout=10)
    kept.request('GET', '/healthz')
    kept.getresponse().read()
    out = []
    t = threading.Thread(target=lambda: out.append(s.describe(('image', 'x.png', png()))))
    t.start()
    time.sleep(0.4)
    s.process.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    with pytest.raises(OSError):
        socket.create_connection(('127.0.0.1', s.port), timeout=1)
    kept.request('POST', '/v1/describe', png(), {'Content-Type': 'image/png'})
    assert kept.getresponse().status == 503
    t.join(10)
    assert out[0].status == 200
    kept.close()
    assert s.stop() == 0


def test_interrupt_is_130():
    assert Server().stop(signal.SIGINT) == 130


def test_loading():
    s = Server(env={'OPIS_FAKE_LOAD_MS': '700'}, wait=False)
    assert s.get('/healthz').status == 200
    a = s.get('/readyz')
    assert a.status == 503 and a.headers['Retry-After']
    assert s.describe(('image', 'x.png', png())).status == 503 and s.get('/v1/models').status == 503
    health = [FAKE, 'health', s.url]
    assert subprocess.run(health, capture_output=True).returncode == 1
    while s.get('/readyz').status != 200:
        time.sleep(0.05)
    assert subprocess.run(health, capture_output=True).returncode == 0
    assert s.stop() == 0
    assert subprocess.run(health, capture_output=True).returncode == 1
    assert subprocess.run([FAKE, 'health', 'ftp://x'], capture_output=True).returncode == 2


def test_start_that_fails(tmp_path):
    (tmp_path / 'empty').write_text('# no key\n')
    (tmp_path / 'words').write_text('this is no database' * 100)
    with Server() as s:
        for arguments, status, words in ((['-m', 'missing'], 3, 'no such model'), (['--port', str(s.port)], 3, '--port'), (['--api-key-file', str(tmp_path / 'empty')], 3, 'no key'),
                                         (['--api-key-file', str(tmp_path / 'none')], 3, 'none'), (['--history', str(tmp_path / 'words')], 3, 'database'), (['--port', 'x'], 2, '--port'),
                                         (['--bogus'], 2, 'bogus'), (['operand'], 2, 'operands'), (['--keep', '3'], 2, '--history'), (['--log', '/nonexistent/log'], 3, 'nonexistent')):
            port = [] if '--port' in arguments else ['--port', '0']
            r = subprocess.run([FAKE, 'serve', *port, *arguments], capture_output=True, text=True, timeout=20)
            assert r.returncode == status and words in r.stderr and 'opis: ' in r.stderr, (arguments, r.returncode, r.stderr)


def test_environment(tmp_path):
    log = tmp_path / 'log'
    s = Server(env={'OPIS_QUEUE': '7', 'OPIS_ALLOW_HOST': 'a.example,b.example', 'OPIS_MAX_UPLOAD': '1K'})
    assert s.get('/v1/info').json['queue'] == 7 and s.get('/v1/info').json['max_upload'] == 1024 and s.get('/healthz', Host='b.example').status == 200
    assert s.stop() == 0
    process = subprocess.run([FAKE, 'serve'], env={**os.environ, 'OPIS_PORT': 'x'}, capture_output=True, text=True)
    assert process.returncode == 2 and '--port' in process.stderr
    import json
    s = Server('--log', str(log))
    s.describe(('image', 'secret-name.png', png()), query='?beams=2')
    until(lambda: '/v1/describe' in log.read_text())  # a request's line comes when it has ended, behind its answer
    os.rename(log, str(log) + '.1')
    s.process.send_signal(signal.SIGHUP)
    until(log.exists)
    s.get('/healthz')
    assert s.stop() == 0
    lines = [json.loads(line) for line in open(str(log) + '.1')]
    last = lines[-1]
    assert last['path'] == '/v1/describe' and last['status'] == 200 and last['pictures'] == 1 and last['bytes_in'] > 50 and last['method'] == 'POST'
    assert 'secret' not in open(str(log) + '.1').read() and json.loads(open(log).readlines()[-1])['path'] == '/healthz'
    assert stat.S_IMODE(os.stat(log).st_mode) & 0o007 == 0


def mutations(random_):
    body, kind = form(('image', 'x.png', png()), ('beams', 2), ('stream', 'false'))
    chat = b'{"model": "fake", "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}]}]}'
    seeds = [request_bytes(body, kind=kind), request_bytes(png()), request_bytes(chat, '/v1/chat/completions', 'application/json'), b'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n',
             b'GET /v1/history?limit=3 HTTP/1.1\r\nHost: localhost\r\n\r\n', b'DELETE /v1/history/1 HTTP/1.1\r\nHost: localhost\r\n\r\n',
             b'POST /v1/describe HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n']
    while True:
        data = bytearray(random_.choice(seeds))
        for _ in range(random_.choice((0, 1, 1, 2, 4, 16))):
            at = random_.randrange(len(data) + 1)
            kind_ = random_.randrange(4)
            if kind_ == 0 and data:
                data[at % len(data)] = random_.randrange(256)
            elif kind_ == 1:
                data[at:at] = bytes(random_.randrange(256) for _ in range(random_.randrange(1, 9)))
            elif kind_ == 2:
                del data[at:at + random_.randrange(1, 20)]
            else:
                data[at:at] = data[at:at + random_.randrange(1, 60)]
        yield bytes(data)


def test_random_and_mutated_requests(tmp_path):
    """10,000 of them over many connections, without waiting for each one's answer."""
    history = tmp_path / 'in' / 'h.sqlite'
    history.parent.mkdir()
    with Server('--history', str(history), '--max-upload', '1M') as s:
        before = {}
        for root, _, files in os.walk(tmp_path):
            before.update({os.path.join(root, f): 1 for f in files})
        memory = []

        def send(worker):
            random_ = random.Random(worker)
            source = mutations(random_)
            for n in range(1250):
                data = next(source) if n % 5 else bytes(random_.randrange(256) for _ in range(random_.randrange(200)))
                try:
                    with socket.create_connection(('127.0.0.1', s.port), timeout=5) as c:
                        c.sendall(data)
                        c.shutdown(socket.SHUT_WR)
                        c.settimeout(1)
                        c.recv(1000)
                except OSError:
                    pass
                if worker == 0 and n % 250 == 249:
                    memory.append(s.memory())
        many(8, send)
        assert s.process.poll() is None and s.get('/healthz').status == 200
        assert s.describe(('image', 'x.png', png())).status == 200
        assert memory[-1] - memory[1] < 8 << 20, memory  # the first thousand fill what sanitizers and allocators keep
        after = {os.path.join(root, f) for root, _, files in os.walk(tmp_path) for f in files}
        assert {os.path.basename(f).split('-')[0] for f in after} == {'h.sqlite'}
        time.sleep(0.5)
        assert s.is_empty()
