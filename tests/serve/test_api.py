"""What the API answers: describe, chat completions, models, history, health, metrics, its own description."""
import base64
import http.client
import json
import re
import time

import pytest

from helper import Server, events, form, png

WORDS = 'a small picture with nothing on it'


@pytest.fixture(scope='module')
def server(tmp_path_factory):
    with Server('-m', 'first', '-m', 'prompt-model', '--history', str(tmp_path_factory.mktemp('history') / 'h.sqlite')) as s:
        yield s


def data_uri(data):
    return 'data:image/png;base64,' + base64.b64encode(data).decode()


def message(*parts):
    return [{'role': 'user', 'content': list(parts)}]


def image_part(url):
    return {'type': 'image_url', 'image_url': {'url': url}}


def test_describes_a_form(server):
    a = server.describe(('image', 'a b.png', png(5, 4)))
    assert a.status == 200 and a.headers['Content-Type'] == 'application/json'
    assert a.json['path'] == 'a b.png' and a.json['description'] == WORDS and a.json['model'] == 'first'
    assert (a.json['width'], a.json['height']) == (5, 4)
    assert a.json['candidates'] == [{'description': WORDS, 'score': -0.25, 'tokens': a.json['tokens']}] and a.json['score'] == -0.25
    assert set(a.json['ms']) == {'decode', 'encode', 'generate'} and len(a.json['model_sha256']) == 64
    assert 'attention' not in a.json


@pytest.mark.parametrize('kind', ['image/png', 'application/octet-stream', 'image/jpeg', None])
def test_describes_bytes(server, kind):
    a = server.request('POST', '/v1/describe?beams=2&candidates=2', png(), {'Content-Type': kind} if kind else {})
    assert a.status == 200 and a.json['path'] is None and len(a.json['candidates']) == 2


def test_several_pictures_with_an_error_in_its_place(server):
    a = server.describe(('image', '1.png', png()), ('image', '2.txt', b'no picture'), ('image', '3.png', png()))
    assert a.status == 200
    one, two, three = a.json['results']
    assert one['description'] == three['description'] == WORDS and (one['path'], three['path']) == ('1.png', '3.png')
    assert two['path'] == '2.txt' and two['error']['code'] == 'OPIS_EFORMAT' and 'description' not in two


def test_one_bad_picture_of_a_batch_does_not_spoil_the_others(server):
    a = server.describe(*[('image', '%d.png' % i, png(13 if i == 2 else 4)) for i in range(5)])
    assert [bool(r.get('error')) for r in a.json['results']] == [False, False, True, False, False]
    assert server.describe(('image', 'x.png', png(13))).status == 500


def test_parameters_in_the_form_and_the_query(server):
    a = server.describe(('beams', 3), ('image', 'x.png', png()), ('candidates', 2), query='?max_length=12')
    assert a.status == 200 and len(a.json['candidates']) == 2
    assert server.describe(('image', 'x.png', png()), query='?model=prompt-model&prompt=hello').json['description'] == 'hello ' + WORDS


@pytest.mark.parametrize('query, name', [
    ('foo=1', 'foo'), ('beams=0', 'beams'), ('beams=65', 'beams'), ('beams=x', 'beams'), ('beams=2.5', 'beams'), ('beams=', 'beams'), ('beams=%2B3', 'beams'), ('beams=0x3', 'beams'),
    ('beams=1e1', 'beams'), ('beams=2&beams=3', 'beams'), ('max_length=1', 'max_length'), ('max_length=99999999999999999999', 'max_length'), ('length_penalty=nan', 'length_penalty'),
    ('length_penalty=inf', 'length_penalty'), ('repetition_penalty=0', 'repetition_penalty'), ('early_stopping=maybe', 'early_stopping'), ('stream=yes', 'stream'),
    ('beams=2&candidates=3', 'candidates'), ('model=none', 'model'), ('prompt=hello', 'prompt'), ('prompt=%ff', 'prompt'), ('beams=2%00', 'beams'), ('max-length=5', 'max-length'),
])
def test_wrong_parameters_are_named(server, query, name):
    a = server.request('POST', '/v1/describe?' + query, png(), {'Content-Type': 'image/png'})
    assert a.status == 400 and a.json['error']['code'] == 'OPIS_EINVALID' and name in a.json['error']['message']


def test_no_picture(server):
    for body, kind in ((b'', 'image/png'), form(('beams', 2)), (b'', None), form(('file', 'x.png', png()))):
        a = server.request('POST', '/v1/describe', body, {'Content-Type': kind} if kind else {})
        assert a.status == 400, a.body


def test_statuses(server):
    assert server.get('/nothing').status == 404
    a = server.get('/v1/describe')
    assert a.status == 405 and a.headers['Allow'] == 'POST, OPTIONS'
    assert server.request('PUT', '/healthz').status == 405
    assert server.request('POST', '/v1/describe', b'{}', {'Content-Type': 'application/json'}).status == 415
    assert server.request('POST', '/v1/chat/completions', png(), {'Content-Type': 'image/png'}).status == 415
    assert server.request('POST', '/v1/describe', b'words', {'Content-Type': 'image/png'}).status == 422
    assert server.request('HEAD', '/healthz').status == 200
    assert server.request('OPTIONS', '/v1/describe').status == 204
    for path in ('/nothing', '/v1/describe'):
        assert set(server.get(path).json['error']) == {'code', 'message'}


def test_streams(server):
    a = server.describe(('image', '1.png', png()), ('stream', 'true'))
    assert a.headers['Content-Type'] == 'text/event-stream'
    got = events(a.body)
    texts = [o['text'] for name, o in got if name == 'partial']
    assert texts == [' '.join(WORDS.split()[:n]) for n in range(1, 8)] and all(o['index'] == 0 for _, o in got)
    assert got[-1][0] == 'result' and got[-1][1]['description'] == WORDS


def test_streams_several(server):
    got = events(server.describe(('image', '1.png', png()), ('image', '2.png', b'nothing'), ('stream', 'true')).body)
    results = {o['index']: o for name, o in got if name == 'result'}
    assert results[0]['description'] == WORDS and results[1]['error']['code'] == 'OPIS_EFORMAT'


def test_a_stream_that_fails_at_once_is_a_plain_error(server):
    a = server.describe(('image', '1.png', b'nothing'), ('stream', 'true'))
    assert a.status == 422 and a.json['error']['code'] == 'OPIS_EFORMAT'


def test_attention(server):
    at = server.describe(('image', '1.png', png()), ('attention', 'true')).json['attention']
    assert (at['width'], at['height']) == (4, 4)
    assert [t['text'] for t in at['tokens']][:3] == ['', 'a', ' small'] and at['tokens'][0]['weights'] is None
    assert all(len(t['weights']) == 16 and sum(t['weights']) <= 1.001 for t in at['tokens'][1:])


def test_models(server):
    a = server.get('/v1/models').json
    assert a['object'] == 'list' and [m['id'] for m in a['data']] == ['first', 'prompt-model'] and a['data'][0]['object'] == 'model'
    assert server.get('/v1/models/prompt-model').json['takes_prompt'] is True
    assert server.get('/v1/models/none').status == 404


def test_chat(server):
    a = server.chat(model='first', messages=message({'type': 'text', 'text': 'What is this?'}, image_part(data_uri(png()))), temperature=0.2, seed=1)
    o = a.json
    assert a.status == 200 and o['object'] == 'chat.completion' and o['choices'][0]['message'] == {'role': 'assistant', 'content': WORDS, 'refusal': None}
    assert o['choices'][0]['finish_reason'] == 'stop' and o['usage']['completion_tokens'] == 8
    o = server.chat(model='prompt-model', messages=message({'type': 'text', 'text': 'I see'}, image_part(data_uri(png())))).json
    assert o['choices'][0]['message']['content'] == 'I see ' + WORDS
    assert len(server.chat(model='first', n=3, messages=message(image_part(data_uri(png())))).json['choices']) == 3


def test_chat_streams_only_what_stays(server):
    request = {'model': 'first', 'stream': True, 'stream_options': {'include_usage': True}, 'messages': message(image_part(data_uri(png())))}
    for beams in (1, 4):
        a = server.chat(beams=beams, **request)
        got = [o for _, o in events(a.body)]
        assert got[-1] == '[DONE]' and got[-2]['usage']['completion_tokens'] == 8 and got[-3]['choices'][0]['finish_reason'] == 'stop'
        deltas = [o['choices'][0]['delta'].get('content', '') for o in got[:-2]]
        assert ''.join(deltas) == WORDS and len(deltas) > (4 if beams == 1 else 3)


@pytest.mark.parametrize('fields, status, param', [
    ({'messages': message(image_part(data_uri(png()))), 'model': 'none'}, 404, 'model'), ({'messages': []}, 400, 'messages'), ({}, 400, 'messages'),
    ({'messages': message({'type': 'text', 'text': 'x'})}, 400, 'messages'), ({'messages': message(image_part('http://example.org/x.png'))}, 400, 'messages'),
    ({'messages': message(image_part('file:///etc/passwd'))}, 400, 'messages'), ({'messages': message(image_part('data:image/png;base64,!!!!'))}, 400, 'messages'),
    ({'messages': message(image_part(data_uri(b'words')))}, 422, 'messages'), ({'messages': message(image_part(data_uri(png()))), 'n': 0}, 400, 'n'),
    ({'messages': message(image_part(data_uri(png()))), 'max_tokens': 'x'}, 400, 'max_tokens'), ({'messages': message(image_part(data_uri(png()))), 'beams': 1000}, 400, 'beams'),
])
def test_chat_errors(server, fields, status, param):
    a = server.chat(**fields)
    assert a.status == status and set(a.json['error']) == {'code', 'message', 'type', 'param'} and a.json['error']['param'] == param


def test_a_chat_stream_takes_nothing_back():
    """Beams disagree on the last word: what was sent stays, and comes before the end."""
    with Server(env={'OPIS_FAKE_MS': '60'}) as s:
        body = json.dumps({'model': 'fake', 'stream': True, 'beams': 4, 'messages': message(image_part(data_uri(png())))})
        c = http.client.HTTPConnection('127.0.0.1', s.port, timeout=20)
        c.request('POST', '/v1/chat/completions', body, {'Content-Type': 'application/json'})
        answer, early, text = c.getresponse(), 0, ''
        for line in answer:
            if not line.startswith(b'data: {'):
                continue
            for choice in json.loads(line[6:])['choices']:
                text += choice['delta'].get('content', '')
            assert WORDS.startswith(text)
            early += 0 < len(text) < len(WORDS)
        assert text == WORDS and early >= 3
        c.close()


def test_chat_broken_json(server):
    for body in (b'', b'{', b'[]', b'null', b'{"messages": 1}', b'\xff\xfe', b'[' * 100000):
        a = server.request('POST', '/v1/chat/completions', body, {'Content-Type': 'application/json'})
        assert a.status == 400 and a.json['error']['type'] == 'invalid_request_error', body[:20]


def test_history(server):
    assert server.request('DELETE', '/v1/history').status == 204
    for name in ('Кошка.png', 'dog.png', 'third.png'):
        assert server.describe(('image', name, png())).status == 200
    a = server.get('/v1/history?limit=2').json
    assert [e['path'] for e in a['entries']] == ['third.png', 'dog.png'] and a['next'] == a['entries'][-1]['id']
    assert [e['path'] for e in server.get('/v1/history?before=%d' % a['next']).json['entries']] == ['Кошка.png']
    found = server.get('/v1/history?search=%D0%BA%D0%BE%D1%88').json['entries']
    assert [e['path'] for e in found] == ['Кошка.png'] and abs(found[0]['time'] - time.time()) < 60
    assert len(server.get('/v1/history?search=SMALL').json['entries']) == 3 and not server.get("/v1/history?search='%25").json['entries']
    assert [server.get('/v1/history?search=' + '%D0%BA' * n).status for n in (250, 251)] == [200, 400] and server.get('/v1/history?search=%ff').status == 400
    assert server.request('DELETE', '/v1/history/%d' % found[0]['id']).status == 204
    assert server.request('DELETE', '/v1/history/%d' % found[0]['id']).status == 404
    assert server.request('DELETE', '/v1/history/x').status == 400 and server.get('/v1/history?limit=x').status == 400 and server.get('/v1/history?foo=1').status == 400
    assert len(server.get('/v1/history').json['entries']) == 2


def test_health_and_metrics(server):
    assert server.get('/healthz').json == {'status': 'ok'} and server.get('/readyz').json == {'status': 'ready'}
    text = server.get('/metrics').body.decode()
    for line in text.splitlines():
        assert re.match(r'^(# (HELP|TYPE) \w+ .+|\w+(\{(\w+="[^"]*",?)+\})? [-+0-9.e]+(Inf)?)$', line), line
    for name in ('opis_http_requests_total', 'opis_http_request_duration_seconds_bucket', 'opis_queue_places', 'opis_tokens_total', 'opis_busy_seconds_total', 'process_resident_memory_bytes'):
        assert name in text
    assert server.metric('opis_queue_taken') == 0 and server.metric('opis_ready') == 1
    before = server.metric('opis_pictures_total{outcome="described"}')
    server.describe(('image', 'x.png', png()))
    assert server.metric('opis_pictures_total{outcome="described"}') == before + 1


def test_openapi_has_every_route(server):
    o = server.get('/openapi.json').json
    assert o['openapi'] == '3.1.0'
    assert set(o['paths']) == {'/v1/describe', '/v1/chat/completions', '/v1/models', '/v1/models/{model}', '/v1/history', '/v1/history/{id}', '/v1/info', '/healthz', '/readyz', '/metrics',
                               '/openapi.json'}
    names = {p['name'] for p in o['paths']['/v1/describe']['post']['parameters']}
    assert {'model', 'beams', 'max_length', 'candidates', 'prompt', 'stream', 'attention', 'length_penalty'} <= names
    text = json.dumps(o)
    for reference in set(re.findall(r'#/components/schemas/(\w+)', text)):
        assert reference in o['components']['schemas']


def test_page_headers(server):
    for path in ('/', '/theme.js', '/app.js', '/style.css', '/words.js', '/attention.js', '/history.js', '/icon.svg'):
        a = server.get(path)
        assert a.status == 200 and "default-src 'none'" in a.headers['Content-Security-Policy'] and a.headers['X-Content-Type-Options'] == 'nosniff'
        assert server.get(path, If_None_Match=a.headers['ETag']).status == 304
    html = server.get('/').body.decode()
    assert not re.search(r'(src|href)="(https?:)?//', html) and '<script>' not in html and ' style=' not in html


def test_keep_alive(server):
    import http.client
    c = http.client.HTTPConnection('127.0.0.1', server.port, timeout=10)
    for method, path, body in (('GET', '/healthz', None), ('GET', '/nothing', None), ('POST', '/v1/describe', b'x' * 5000), ('PUT', '/healthz', b'y' * 5000), ('GET', '/v1/models', None)):
        c.request(method, path, body, {'Content-Type': 'text/plain'} if body else {})
        c.getresponse().read()
        assert c.sock is not None, path
    c.close()


