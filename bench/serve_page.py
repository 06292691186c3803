"""The page of opis serve beside Streamlit's with the same engine: python3 bench/serve_page.py build/opis build/src/libopis.so STREAMLIT_PYTHON PICTURE [--repeat 10]

STREAMLIT_PYTHON is the Python of an environment with streamlit; its page is bench/serve_streamlit.py, which calls the same library through the Python module. A real Chromium opens both pages in
turn: first byte of the page, page usable (its upload field is there), a picture dropped until its description stands on the page; memory of the server's processes behind it."""
import argparse
import json
import os
import re
import socket
import statistics
import subprocess
import sys
import time
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, '..', 'tests', 'web')]
from browser import Browser, Element  # noqa: E402


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


def megabytes(pid):
    total, todo = 0, [pid]
    while todo:
        p = todo.pop()
        with open('/proc/%d/smaps_rollup' % p) as f:
            total += int(re.search(r'^Pss:\s+(\d+)', f.read(), re.M).group(1))
        with open('/proc/%d/task/%d/children' % (p, p)) as f:
            todo += [int(c) for c in f.read().split()]
    return total / 1024


def first_byte(url):
    began = time.perf_counter()
    with urllib.request.urlopen(url) as answer:
        answer.read(1)
    return time.perf_counter() - began


def wait(b, expression):
    end = time.monotonic() + 120
    while not b.value(expression):
        assert time.monotonic() < end, expression
        time.sleep(0.002)


def visit(b, url, picture, ready, field, words):
    b.http('POST', '/url', {'url': 'about:blank'})
    began = time.perf_counter()
    b.http('POST', '/url', {'url': url})
    wait(b, ready)
    usable = time.perf_counter() - began
    e = Element(b.http('POST', '/element', {'using': 'css selector', 'value': field})['element-6066-11e4-a52e-4f735466cecf'])
    began = time.perf_counter()
    b.http('POST', '/element/%s/value' % e, {'text': picture})
    wait(b, words)
    return usable, time.perf_counter() - began


SIDES = {
    'opis serve': ("document.documentElement.dataset.ready === 'yes'", '#file', "document.querySelector('.card .word') !== null && !document.querySelector('.card[aria-busy=true]')"),
    'Streamlit': ("document.querySelector('input[type=file]') !== null", 'input[type=file]', "document.body.innerText.includes('Описание изображения: ')"),
}


def main():
    a = argparse.ArgumentParser()
    for name in ('opis', 'library', 'python', 'picture'):
        a.add_argument(name, type=os.path.abspath if name != 'python' else str)
    a.add_argument('--repeat', type=int, default=10)
    o = a.parse_args()
    ports = {name: free_port() for name in SIDES}
    env = {**os.environ, 'OPIS_LIBRARY': o.library, 'PYTHONPATH': os.path.join(HERE, '..', 'bindings', 'python')}
    began = time.monotonic()
    servers = {'opis serve': subprocess.Popen([o.opis, 'serve', '--port', str(ports['opis serve']), '--log', 'none'], stderr=subprocess.DEVNULL),
               'Streamlit': subprocess.Popen([o.python, '-m', 'streamlit', 'run', os.path.join(HERE, 'serve_streamlit.py'), '--server.port', str(ports['Streamlit']), '--server.headless', 'true',
                                              '--browser.gatherUsageStats', 'false', '--server.address', '127.0.0.1'], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env)}
    up, out = {}, {name: {'first byte': [], 'usable': [], 'drop to words': []} for name in SIDES}
    while len(up) < len(SIDES):
        for name in SIDES:
            try:
                if name not in up and first_byte('http://127.0.0.1:%d/' % ports[name]):
                    up[name] = time.monotonic() - began
            except OSError:
                pass
    b = Browser('ru')
    try:
        for n in range(o.repeat + 1):
            for name, (ready, field, words) in SIDES.items():
                url = 'http://127.0.0.1:%d/' % ports[name]
                byte = first_byte(url)
                usable, drop = visit(b, url, o.picture, ready, field, words)
                if n:  # the first visit warms both
                    for key, value in (('first byte', byte), ('usable', usable), ('drop to words', drop)):
                        out[name][key].append(1e3 * value)
        for name, results in out.items():
            print(json.dumps({'page': name, **{k + ', ms': round(statistics.median(v), 1) for k, v in results.items()}, 'memory, MB': round(megabytes(servers[name].pid), 1),
                              'up after, s': round(up[name], 2)}))
    finally:
        b.close()
        for s in servers.values():
            s.terminate()
            s.wait(30)


if __name__ == '__main__':
    main()
