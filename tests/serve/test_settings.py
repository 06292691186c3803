"""Every setting of `opis serve`, as a flag and in the environment."""
import base64
import json
import os
import re
import socket
import sqlite3
import subprocess
import time

import pytest

from helper import FAKE, OPIS, Server, form, png


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


def describe(s, **headers):
    body, kind = form(('image', 'x.png', png(30, 20)))
    return s.request('POST', '/v1/describe', body, {'Content-Type': kind, **headers})


def chat(s, url):
    return s.chat(messages=[{'role': 'user', 'content': [{'type': 'image_url', 'image_url': {'url': url}}]}]).json['error']['message']


def host(s):
    with pytest.raises(OSError):
        socket.create_connection(('127.0.0.1', s.port), timeout=5)
    with socket.create_connection(('127.0.0.2', s.port), timeout=5):
        pass


def slow_body(s):
    assert s.raw(b'POST /v1/describe HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\nContent-Length: 5000\r\n\r\nabc').startswith(b'HTTP/1.1 408 ')


def history(s):
    assert describe(s).status == 200 and len(s.get('/v1/history').json['entries']) == 1


def keep(s):
    assert [e['description'] for e in s.get('/v1/history').json['entries']] == ['young']


def fetch(s):
    assert 'not a public one' in chat(s, 'http://127.0.0.1:%d/icon.svg' % s.port) and 'not a public one' in chat(s, 'http://localhost:%d/icon.svg' % s.port)


def log(s):
    s.get('/healthz')
    until = time.monotonic() + 20
    while not any(json.loads(line)['path'] == '/healthz' for line in open(s.log)):
        assert time.monotonic() < until
        time.sleep(0.02)


def status(wanted, **headers):
    def check(s):
        assert describe(s, **headers).status == wanted
    return check


def cors(s):
    assert describe(s, Origin='https://b.example').headers['Access-Control-Allow-Origin'] == 'https://b.example' and describe(s, Origin='https://c.example').status == 403


# name: value, what shows that it holds, environment of the stand-in engine
SETTINGS = {
    'host': ('127.0.0.2', host, {}),
    'port': (free_port, lambda s: s.get('/healthz').status == 200, {}),
    'model': ('other', lambda s: s.get('/v1/models').json['data'][0]['id'] == 'other', {}),
    'threads': ('3', lambda s: s.get('/v1/models').json['data'][0]['parameters'] == 12348, {}),
    'queue': ('7', lambda s: s.get('/v1/info').json['queue'] == 7, {}),
    'max-upload': ('2K', lambda s: s.request('POST', '/v1/describe', bytes(2049), {'Content-Type': 'image/png'}).status == 413, {}),
    'max-pixels': ('599', status(422), {}),
    'timeout': ('0.2', status(503), {'OPIS_FAKE_MS': '100'}),
    'body-timeout': ('0.5', slow_body, {}),
    'history': ('{tmp}/h.sqlite', history, {}),
    'keep': ('2', keep, {}),
    'allow-host': ('a.example', status(200, Host='a.example'), {}),
    'allow-fetch': ('1', fetch, {}),
    'api-key-file': ('{tmp}/keys', status(401), {}),
    'cors': ('https://b.example', cors, {}),
    'log': ('{tmp}/log', log, {}),
}
FLAGS = {'allow-fetch'}


def prepare(name, tmp_path):
    (tmp_path / 'keys').write_text('key\n')
    if name == 'keep':
        with Server('--history', str(tmp_path / 'h.sqlite')):
            pass
        db = sqlite3.connect(str(tmp_path / 'h.sqlite'))
        for days, words in ((3, 'old'), (1, 'young')):
            db.execute("INSERT INTO descriptions (time, owner, description, folded) VALUES (?, '', ?, '')", (int(time.time()) - days * 86400, words))
        db.commit()
        db.close()


@pytest.mark.parametrize('way', ['flag', 'environment'])
@pytest.mark.parametrize('name', sorted(SETTINGS))
def test_setting(name, way, tmp_path):
    value, check, env = SETTINGS[name]
    value = str(value()) if callable(value) else value.format(tmp=tmp_path)
    prepare(name, tmp_path)
    arguments, env = [], dict(env)
    if name == 'keep':
        arguments += ['--history', str(tmp_path / 'h.sqlite')]
    if way == 'flag':
        arguments += ['--' + name] + ([] if name in FLAGS else [value])
    else:
        env['OPIS_' + name.upper().replace('-', '_')] = value
    s = Server(*arguments, env=env, defaults=[a for a in ('port', 'log') if a != name], wait=name != 'host')
    if name == 'port':
        assert s.port == int(value)
    s.log = value
    try:
        assert check(s) in (None, True)
    finally:
        assert s.stop() == 0


def test_every_setting_is_tested():
    text = subprocess.run([FAKE, 'serve', '--help'], capture_output=True, text=True, check=True).stdout
    assert set(re.findall(r'^ +(?:-\w, )?--([a-z-]+)', text, re.M)) - {'help'} == set(SETTINGS)


def test_a_flag_is_stronger_than_the_environment():
    s = Server('--queue', '5', env={'OPIS_QUEUE': '6'})
    assert s.get('/v1/info').json['queue'] == 5
    assert s.stop() == 0


@pytest.mark.parametrize('name', sorted(set(SETTINGS) - {'model', 'host', 'history', 'allow-host', 'allow-fetch', 'api-key-file', 'cors', 'log'}))
def test_a_wrong_value_in_the_environment_is_named(name):
    r = subprocess.run([FAKE, 'serve', '--port', '0'], env={**os.environ, 'OPIS_' + name.upper().replace('-', '_'): 'x'}, capture_output=True, text=True, timeout=20)
    assert r.returncode == 2 and '--' + name in r.stderr


def test_the_model_of_the_environment():
    """The library reads OPIS_MODEL: seen in the program itself."""
    r = subprocess.run([OPIS, 'serve', '--port', '0'], env={**os.environ, 'OPIS_MODEL': 'no-such-model'}, capture_output=True, text=True, timeout=60)
    assert r.returncode == 3 and 'no-such-model' in r.stderr


def test_without_allow_fetch_nothing_is_fetched():
    with Server() as s:
        assert 'fetches nothing' in chat(s, 'http://127.0.0.1:%d/icon.svg' % s.port)


@pytest.mark.parametrize('address', ['127.0.0.1', '127.1', '2130706433', '0x7f.1', '0', 'localhost', '[::1]', '[::ffff:127.0.0.1]', '[::]', '169.254.169.254', '10.0.0.1', '[fd00::1]', '[fe80::1]'])
def test_private_addresses_are_not_fetched(fetching, address):
    assert 'not a public one' in chat(fetching, 'http://%s:%d/icon.svg' % (address, fetching.port))


@pytest.fixture(scope='module')
def fetching():
    with Server('--allow-fetch') as s:
        yield s


def test_no_other_scheme_is_fetched(fetching):
    for url in ('file:///etc/passwd', 'ftp://127.0.0.1/x', 'gopher://127.0.0.1/', 'dict://127.0.0.1/', 'unix:///run/x', '/etc/passwd', 'data:text/plain,x'):
        a = fetching.chat(messages=[{'role': 'user', 'content': [{'type': 'image_url', 'image_url': {'url': url}}]}])
        assert a.status == 400, url
    uri = 'data:image/png;base64,' + base64.b64encode(png()).decode()
    assert fetching.chat(messages=[{'role': 'user', 'content': [{'type': 'image_url', 'image_url': {'url': uri}}]}]).status == 200
