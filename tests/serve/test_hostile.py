"""Pictures that are bombs, clients that only hold on, and what the server leaves on the disk: nothing but its history."""
import http.client
import os
import random
import socket
import struct
import subprocess
import time
import zlib

import pytest

from helper import OPIS, PICTURES, Server, form, picture, png


FILES = [f for f in sorted(os.listdir(PICTURES)) if os.path.isfile(os.path.join(PICTURES, f)) and os.path.getsize(os.path.join(PICTURES, f)) < 200000]


def chunk(kind, data):
    return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))


def png_bomb(width, height, rows):
    """A PNG of the size that it says, of one colour: a thousand times smaller than its pixels."""
    deflate = zlib.compressobj(9)
    data = b''.join(deflate.compress(bytes(1 + width * 3)) for _ in range(rows)) + deflate.flush()
    return b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0)) + chunk(b'IDAT', data) + chunk(b'IEND', b'')


def gif(width, height):
    return b'GIF89a' + struct.pack('<HHBBB', width, height, 0x80, 0, 0) + bytes(6) + b',' + struct.pack('<HHHHB', 0, 0, width, height, 0) + b'\x02\x02\x4c\x01\x00;'


def bmp(width, height):
    return b'BM' + struct.pack('<IHHI', 54, 0, 0, 54) + struct.pack('<IiiHHIIiiII', 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)


def jpeg_of(width, height):
    data = bytearray(picture('cat.jpg'))
    at = next(i for i in range(len(data) - 1) if data[i] == 0xff and data[i + 1] in (0xc0, 0xc2))
    data[at + 5:at + 9] = struct.pack('>HH', height, width)
    return bytes(data)


BOMBS = {
    'a PNG of 4 gigapixels': lambda: png_bomb(65000, 65000, 2),
    'a PNG of 2^31 rows': lambda: png_bomb(1, 2 ** 31 - 1, 2),
    'a JPEG of 4 gigapixels': lambda: jpeg_of(65500, 65500),
    'a GIF of 4 gigapixels': lambda: gif(65535, 65535),
    'a BMP of 2^62 pixels': lambda: bmp(2 ** 31 - 1, 2 ** 31 - 1),
    'a BMP of no width': lambda: bmp(0, 5),
    'a PNM of many digits': lambda: b'P6 ' + b'9' * 400 + b' 1 255 ',
    'a TIFF that points at itself': lambda: b'II*\0\x08\0\0\0' + struct.pack('<HHHII', 1, 256, 4, 1, 1) + struct.pack('<I', 8),
    'a PNG with a text chunk of 256 MB': lambda: png()[:33] + chunk(b'zTXt', b'k\0\0' + zlib.compress(bytes(256 << 20), 9)) + png()[33:],
    'a PNG with a profile of 256 MB': lambda: png()[:33] + chunk(b'iCCP', b'k\0\0' + zlib.compress(bytes(256 << 20), 9)) + png()[33:],
}


@pytest.fixture(scope='module')
def server():
    with Server() as s:
        yield s


@pytest.mark.parametrize('name', BOMBS)
def test_bombs(server, name):
    before = server.memory()
    a = server.describe(('image', 'x', BOMBS[name]()), timeout=120)
    assert a.status in (200, 422) and (a.status == 200) == ('chunk' in name or 'profile' in name), (a.status, a.body)
    assert server.memory() - before < 128 << 20
    assert server.get('/healthz').status == 200 and server.is_empty()


def test_a_picture_just_below_the_limit_is_described(server):
    """The most that may be asked for: memory comes back behind it."""
    a = server.describe(('image', 'x.png', png_bomb(13000, 13000, 13000)), timeout=300)
    assert a.status == 200 and (a.json['width'], a.json['height']) == (13000, 13000)
    end = time.monotonic() + 30
    while server.memory() > 400 << 20:
        assert time.monotonic() < end, server.memory()
        time.sleep(0.1)


def test_many_parts_and_names(server):
    parts = [('image', 'x' * 5000, png())] + [('beams', 2)]
    assert server.describe(*parts).status == 200
    assert server.describe(*[('a%d' % i, 'b') for i in range(3000)]).status == 413
    assert server.describe(*[('image', '../../etc/passwd', png()), ('image', '/etc/passwd\\..', png())]).status == 200
    assert server.describe(*[('image', '%d.png' % i, png()) for i in range(500)]).status == 413


def test_wrong_types(server):
    for kind in ('multipart/form-data', 'multipart/form-data; boundary=', 'multipart/form-data; boundary=' + 'b' * 500, 'multipart/form-data; boundary="\xff"'):
        assert server.request('POST', '/v1/describe', form(('image', 'x', png()))[0], {'Content-Type': kind}).status == 400, kind
    for kind in ('text/html', 'image', 'application/json', 'multipart/mixed; boundary=x', 'a' * 3000, ';;;'):
        assert server.request('POST', '/v1/describe', png(), {'Content-Type': kind}).status == 415, kind


def test_silent_connections_stop_only_their_own_client(server):
    """One address may hold 256 connections; another one is served meanwhile."""
    held = []
    try:
        for i in range(320):
            s = socket.create_connection(('127.0.0.1', server.port), timeout=10)
            s.sendall((b'', b'GET ', b'POST /v1/describe HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nab')[i % 3])
            held.append(s)
        for _ in range(20):
            c = http.client.HTTPConnection('127.0.0.1', server.port, timeout=20, source_address=('127.0.0.5', 0))
            c.request('POST', '/v1/describe', png(), {'Content-Type': 'image/png'})
            assert c.getresponse().status == 200
            c.close()
    finally:
        for s in held:
            s.close()
    until_served(server)


def until_served(server):
    end = time.monotonic() + 60
    while True:
        try:
            assert server.get('/healthz').status == 200
            return
        except OSError:
            assert time.monotonic() < end, 'its own client is locked out for good'
            time.sleep(0.1)


def test_answers_that_nobody_reads(server):
    """Requests in a row on one connection, and no byte of their answers taken."""
    with socket.create_connection(('127.0.0.1', server.port), timeout=2) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        try:
            for _ in range(3000):
                s.sendall(b'GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n')
        except OSError:
            pass
        assert server.get('/healthz').status == 200


def written(process):
    """Regular files that it could write to."""
    out = set()
    for fd in os.listdir('/proc/%d/fd' % process.pid):
        path = '/proc/%d/fd/%s' % (process.pid, fd)
        try:
            flags = int(next(line for line in open('/proc/%d/fdinfo/%s' % (process.pid, fd)) if line.startswith('flags:')).split()[1], 8)
            if os.path.isfile(path) and flags & 3 != os.O_RDONLY:
                out.add(os.readlink(path))
        except OSError:
            pass
    return out


def test_nothing_is_written_but_the_history(tmp_path):
    """In its working folder, its home, its folder for temporary files: whatever was sent, by whatever name."""
    for name in ('work', 'home', 'temporary', 'history'):
        (tmp_path / name).mkdir()
    env = {'HOME': str(tmp_path / 'home'), 'TMPDIR': str(tmp_path / 'temporary'), 'XDG_DATA_HOME': str(tmp_path / 'home'), 'XDG_CACHE_HOME': str(tmp_path / 'home')}
    with Server('--history', str(tmp_path / 'history' / 'h.sqlite'), env=env, cwd=str(tmp_path / 'work')) as s:
        for name in ('a.png', '../a.png', '/tmp/a.png', '..\\a.png', 'x\0y', '%2e%2e/a', 'a' * 300):
            s.describe(('image', name, png()), ('image', name, b'nothing'))
        for file in FILES:
            s.describe(('image', file, picture(file)))
        for method in ('PUT', 'DELETE', 'PATCH', 'MKCOL', 'TRACE', 'CONNECT'):
            s.raw(b'%s /../work/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc' % method.encode(), timeout=3)
        open_now = written(s.process)
        assert all(os.path.dirname(p) == str(tmp_path / 'history') for p in open_now), open_now
    left = {os.path.relpath(os.path.join(d, f), tmp_path) for d, _, files in os.walk(tmp_path) for f in files}
    assert {p.split('-')[0] for p in left} == {'history/h.sqlite'}, left


def test_the_engine_itself_stops_when_the_client_leaves():
    """The program with its model: of a long request, only what was in hand is finished."""
    with Server(program=OPIS) as s:
        data, kind = form(*[('image', '%d.jpg' % i, picture('cat.jpg')) for i in range(40)], ('stream', 'true'), ('beams', 16), ('max_length', 64), ('min_length', 60))
        with socket.create_connection(('127.0.0.1', s.port), timeout=60) as c:
            c.sendall(f'POST /v1/describe HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\nContent-Length: {len(data)}\r\n\r\n'.encode() + data)
            assert c.recv(100).startswith(b'HTTP/1.1 200 ')
        end = time.monotonic() + 60
        while s.metric('opis_queue_taken'):
            assert time.monotonic() < end
            time.sleep(0.05)
        assert s.metric('opis_pictures_total{outcome="described"}') < 30
        before = cpu_seconds(s)
        time.sleep(0.5)
        assert cpu_seconds(s) - before < 0.25, 'it goes on computing'


def cpu_seconds(s):
    fields = open('/proc/%d/stat' % s.process.pid).read().rsplit(')', 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


def test_mutated_pictures(server):
    """Broken pictures of every kind are refused or described; the server goes on."""
    r = random.Random(7)
    for _ in range(150):
        data = bytearray(picture(r.choice(FILES)))
        for _ in range(r.choice((1, 3, 30))):
            data[r.randrange(len(data))] = r.randrange(256)
        if r.random() < 0.3:
            del data[r.randrange(len(data)):]
        a = server.describe(('image', 'x', bytes(data)), timeout=120)
        assert a.status in (200, 422) or (a.status, len(data)) == (400, 0), (a.status, a.body)
    assert server.get('/healthz').status == 200


def test_the_same_through_the_client_of_many_people():
    """curl as people type it in docs/serve.md."""
    with Server() as s:
        r = subprocess.run(['curl', '-sS', '-F', 'image=@' + os.path.join(PICTURES, 'cat.jpg'), s.url + '/v1/describe?beams=4&candidates=2'], capture_output=True, text=True)
        assert r.returncode == 0 and '"candidates"' in r.stdout
        r = subprocess.run(['curl', '-sS', '--data-binary', '@' + os.path.join(PICTURES, 'cat.jpg'), '-H', 'Content-Type: image/jpeg', s.url + '/v1/describe'], capture_output=True, text=True)
        assert '"path":null' in r.stdout.replace(' ', '')
        r = subprocess.run(['curl', '-sSN', '-F', 'image=@' + os.path.join(PICTURES, 'cat.jpg'), s.url + '/v1/describe?stream=true'], capture_output=True, text=True)
        assert 'event: partial\n' in r.stdout and 'event: result\n' in r.stdout
