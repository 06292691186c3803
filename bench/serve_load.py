"""opis serve under load: python3 bench/serve_load.py build/opis PICTURE... [--clients 64] [--rounds 6] [--seconds 10] [--threads N]

Rounds of many clients that post pictures one after the other (and come again after Retry-After), alternating with `opis describe` of the same pictures, so that a busy machine slows both.
Counts statuses, throughput of both, memory, and how long /healthz took from another address meanwhile. Only the standard library."""
import argparse
import asyncio
import collections
import json
import os
import re
import statistics
import subprocess
import sys
import time


class Load:
    def __init__(self, port, pictures, query='beams=4&max_length=16'):
        self.port = port
        self.requests = [(f'POST /v1/describe?{query} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/octet-stream\r\nContent-Length: {len(p)}\r\n\r\n').encode() + p for p in pictures]
        self.statuses = collections.Counter()
        self.seconds, self.health, self.failures = [], [], []

    async def answer(self, reader):
        head = await reader.readuntil(b'\r\n\r\n')
        length = re.search(rb'(?i)\r\ncontent-length: (\d+)', head)
        body = await reader.readexactly(int(length.group(1))) if length else b''
        after = re.search(rb'(?i)\r\nretry-after: (\d+)', head)
        return int(head[9:12]), int(after.group(1)) if after else 0, body

    async def client(self, number, until):
        reader = writer = None
        n = number
        while time.monotonic() < until:
            try:
                if not writer:
                    reader, writer = await asyncio.open_connection('127.0.0.1', self.port)
                began = time.monotonic()
                writer.write(self.requests[n % len(self.requests)])
                await writer.drain()
                status, after, body = await self.answer(reader)
                self.statuses[status] += 1
                n += 1
                if status == 200:
                    self.seconds.append(time.monotonic() - began)
                    if not json.loads(body)['description']:
                        self.failures.append('an answer without words')
                else:
                    await asyncio.sleep(after)
            except (OSError, asyncio.IncompleteReadError) as e:
                self.failures.append(repr(e))
                writer = None
                await asyncio.sleep(0.1)
        if writer:
            writer.close()

    async def look(self, until):
        while time.monotonic() < until:
            began = time.monotonic()
            try:
                reader, writer = await asyncio.open_connection('127.0.0.1', self.port, local_addr=('127.0.0.2', 0))
                writer.write(b'GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
                status, _, _ = await self.answer(reader)
                writer.close()
                if status != 200:
                    self.failures.append('/healthz: %d' % status)
                self.health.append(time.monotonic() - began)
            except (OSError, asyncio.IncompleteReadError) as e:
                self.failures.append('/healthz: %r' % e)
            await asyncio.sleep(0.1)

    def run(self, clients, seconds):
        async def all_of_them():
            until = time.monotonic() + seconds
            await asyncio.gather(self.look(until), *(self.client(i, until) for i in range(clients)))
        began = time.monotonic()
        asyncio.run(all_of_them())
        return time.monotonic() - began


def memory(pid):
    with open('/proc/%d/status' % pid) as f:
        return int(re.search(r'VmRSS:\s+(\d+)', f.read()).group(1)) / 1024


def describe(opis, paths, threads):
    """Pictures a second of the program itself; its start is taken off by a run of one picture."""
    arguments = [opis, 'describe', '--beams', '4', '--max-length', '16', '--format', 'jsonl', '-o', os.devnull, *(['--threads', str(threads)] if threads else [])]

    def timed(list_):
        began = time.monotonic()
        subprocess.run([*arguments, '--files-from', '-'], input='\n'.join(list_) + '\n', text=True, check=True, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        return time.monotonic() - began
    start = timed(paths[:1])
    return (len(paths) - 1) / max(timed(paths) - start, 1e-9)


def main():
    a = argparse.ArgumentParser()
    a.add_argument('opis')
    a.add_argument('pictures', nargs='+')
    for name, value in (('clients', 64), ('rounds', 6), ('seconds', 10.0), ('threads', 0)):
        a.add_argument('--' + name, type=type(value), default=value)
    o = a.parse_args()
    server = subprocess.Popen([o.opis, 'serve', '--port', '0', '--log', 'none', *(['--threads', str(o.threads)] if o.threads else [])], stderr=subprocess.PIPE, text=True)
    port = int(re.search(r':(\d+)/', server.stderr.readline()).group(1))
    while 'ready' not in server.stderr.readline():
        pass
    load = Load(port, [open(p, 'rb').read() for p in o.pictures])
    load.run(8, 1)
    load.statuses.clear()
    load.seconds.clear()
    load.health.clear()
    served, described, megabytes = [], [], [memory(server.pid)]
    for _ in range(o.rounds):
        before = load.statuses[200]
        took = load.run(o.clients, o.seconds)
        served.append((load.statuses[200] - before) / took)
        megabytes.append(memory(server.pid))
        paths = (o.pictures * (int(served[-1] * o.seconds) // len(o.pictures) + 1))
        described.append(describe(o.opis, paths, o.threads))
        print('round: %.1f pictures/s served, %.1f described, %.0f MB' % (served[-1], described[-1], megabytes[-1]), file=sys.stderr)
    server.terminate()
    status = server.wait(60)
    q = statistics.quantiles(load.seconds, n=100)
    print(json.dumps({'clients': o.clients, 'seconds': o.rounds * o.seconds, 'statuses': {str(k): v for k, v in sorted(load.statuses.items())}, 'failures': load.failures[:5],
                      'served_per_second': statistics.median(served), 'described_per_second': statistics.median(described),
                      'ratio': statistics.median(s / d for s, d in zip(served, described)), 'latency_p50': q[49], 'latency_p99': q[98], 'megabytes': megabytes,
                      'healthz': {'n': len(load.health), 'median_ms': 1e3 * statistics.median(load.health), 'max_ms': 1e3 * max(load.health)}, 'exit_status': status}, indent=1))


if __name__ == '__main__':
    main()
