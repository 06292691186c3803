"""docs/serve.md against the program: what other tests do not ask already."""
import os
import re
import subprocess

from helper import FAKE, ROOT, Server

with open(os.path.join(ROOT, 'docs', 'serve.md'), encoding='utf-8') as f:
    DOCS = f.read()


def test_the_usual_address_is_this_machine_and_8501():
    env = {k: v for k, v in os.environ.items() if not k.startswith('OPIS_')}
    process = subprocess.Popen([FAKE, 'serve', '--log', 'none'], stderr=subprocess.PIPE, env=env, text=True)
    line = process.stderr.readline()  # or that another program has the port: then it is named, too
    process.terminate()
    process.communicate(timeout=40)
    assert re.search(r'127\.0\.0\.1(:| port )8501', line), line


def test_what_the_page_says_of_routes_and_statuses():
    with Server('--history', ':memory:') as s:
        paths = s.get('/openapi.json').json['paths']
    for method, path in re.findall(r'`(GET|POST|DELETE) (/[\w/.]+)', DOCS):
        path = path.replace('/ID', '/{id}')
        assert method.lower() in paths[path], (method, path)
    declared = {code for item in paths['/v1/describe'].values() for code in item['responses']}
    rows = {code for row in re.findall(r'^\| ([\d, ]+) \|', DOCS, re.M) for code in row.split(', ')}
    assert declared - {'200'} <= rows and rows - declared == {'404', '405'}, (declared, rows)


def test_every_flag_that_is_named_exists():
    text = subprocess.run([FAKE, 'serve', '--help'], capture_output=True, text=True, check=True).stdout
    for flag in set(re.findall(r'(?<!-)(--[a-z][a-z-]+)', DOCS)) - {'--data-binary', '--now'}:
        assert flag + ' ' in text or flag + '\n' in text, flag


def test_the_unit_reads_the_file_that_is_named():
    with open(os.path.join(ROOT, 'src', 'serve', 'opis.service.in'), encoding='utf-8') as f:
        unit = f.read()
    assert 'EnvironmentFile=-/etc/default/opis' in unit and '/etc/default/opis' in DOCS and 'StateDirectory=opis\n' in unit and 'systemctl enable --now opis' in DOCS
