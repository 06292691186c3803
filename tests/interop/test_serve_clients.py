# venv: serve
"""Programs that people have already: OpenAI's client, Hugging Face's client, and schemathesis over the server's own description."""
import base64
import os
import shutil
import subprocess
import sys

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, 'tests', 'serve'))
from helper import OPIS, Server  # noqa: E402

FULL = os.environ.get('OPIS_INTEROP') == 'full'
CAT = os.path.join(ROOT, 'examples', 'cat.jpg')


@pytest.fixture(scope='module')
def server():
    with Server(program=OPIS) as s:
        yield s


@pytest.fixture(scope='module')
def words(server):
    return subprocess.run([OPIS, 'describe', CAT], capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture(scope='module')
def messages():
    with open(CAT, 'rb') as f:
        uri = 'data:image/jpeg;base64,' + base64.b64encode(f.read()).decode()
    return [{'role': 'user', 'content': [{'type': 'text', 'text': 'Describe this picture.'}, {'type': 'image_url', 'image_url': {'url': uri}}]}]


@pytest.fixture(scope='module')
def openai_client(server):
    import openai
    return openai.OpenAI(base_url=server.url + '/v1', api_key='unused', max_retries=0)


def test_openai(openai_client, messages, words):
    answer = openai_client.chat.completions.create(model='opis-small', messages=messages)
    assert answer.choices[0].message.content == words and answer.choices[0].finish_reason == 'stop' and answer.usage.completion_tokens > 3


def test_openai_streams(openai_client, messages, words):
    for extra in ({}, {'extra_body': {'beams': 1}}):
        stream = list(openai_client.chat.completions.create(model='opis-small', messages=messages, stream=True, stream_options={'include_usage': True}, **extra))
        text = ''.join(c.choices[0].delta.content or '' for c in stream if c.choices)
        whole = openai_client.chat.completions.create(model='opis-small', messages=messages, **extra).choices[0].message.content
        assert text == whole and stream[-1].usage.total_tokens > 3 and [c.choices[0].finish_reason for c in stream if c.choices][-1] == 'stop'


def test_openai_models_and_errors(openai_client, messages):
    import openai
    assert [m.id for m in openai_client.models.list()] == ['opis-small'] and openai_client.models.retrieve('opis-small').id == 'opis-small'
    with pytest.raises(openai.NotFoundError) as e:
        openai_client.chat.completions.create(model='none', messages=messages)
    assert e.value.code == 'model_not_found' and e.value.param == 'model'
    with pytest.raises(openai.BadRequestError):
        openai_client.chat.completions.create(model='opis-small', messages=[{'role': 'user', 'content': 'no picture'}])


def test_hugging_face(server, messages, words):
    from huggingface_hub import InferenceClient
    client = InferenceClient(base_url=server.url)
    assert client.chat_completion(messages).choices[0].message.content == words
    assert client.chat_completion(messages, max_tokens=4).choices[0].finish_reason == 'length'
    text = ''.join(c.choices[0].delta.content or '' for c in client.chat_completion(messages, stream=True))
    assert text == words


# A schema can say what a request looks like, not that its bytes are a picture, or that a parameter stands in the query or in the form but not in both.
CONFIG = '''
[[operations]]
include-path = "/v1/describe"
checks.positive_data_acceptance.expected-statuses = ["2xx", 400, 422]
[[operations]]
include-path = "/v1/chat/completions"
checks.positive_data_acceptance.expected-statuses = ["2xx", 400, 404, 422]
'''


def test_schemathesis_finds_no_violation(tmp_path):
    """The stand-in engine: what is compared is the API with its description, not the words."""
    (tmp_path / 'schemathesis.toml').write_text(CONFIG)
    with Server('--history', str(tmp_path / 'history.sqlite')) as s:
        program = shutil.which('schemathesis', path=os.path.dirname(sys.executable)) or shutil.which('schemathesis')
        r = subprocess.run([program, 'run', s.url + '/openapi.json', '--max-examples', '100' if FULL else '15', '--phases', 'examples,coverage,fuzzing', '--no-color', '--seed', '1', '--report', 'junit',
                            '--report-dir', str(tmp_path)], capture_output=True, text=True, cwd=str(tmp_path))
        assert r.returncode == 0, r.stdout[-12000:] + r.stderr[-2000:]
        assert s.process.poll() is None and s.get('/healthz').status == 200
