"""The systemd unit: valid, tightly sandboxed, and a server that tells its manager how far it is."""
import os
import re
import shutil
import signal
import socket
import subprocess

from helper import OPIS, Server

UNIT = os.path.join(os.path.dirname(OPIS), 'src', 'serve', 'opis.service')


def test_unit_is_valid(tmp_path):
    text = open(UNIT).read()
    program = re.search(r'^ExecStart=(\S+) serve$', text, re.M).group(1)
    assert os.path.basename(program) == 'opis' and os.path.isabs(program)
    copy = tmp_path / 'opis.service'
    copy.write_text(text.replace(program, os.path.abspath(OPIS)))
    r = subprocess.run([shutil.which('systemd-analyze'), 'verify', '--man=no', str(copy)], capture_output=True, text=True)
    assert r.returncode == 0 and 'opis.service' not in r.stderr, r.stderr


def test_unit_is_sandboxed(tmp_path):
    copy = shutil.copy(UNIT, str(tmp_path))
    r = subprocess.run([shutil.which('systemd-analyze'), 'security', '--offline=yes', '--threshold=15', copy], capture_output=True, text=True)
    assert r.returncode == 0, r.stdout[-600:]  # 1.5 of 10, where 10 is a service without any sandbox


def test_the_manager_is_told(tmp_path):
    for name in (str(tmp_path / 'notify'), '@opis-test-%d' % os.getpid()):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            s.bind('\0' + name[1:] if name[0] == '@' else name)
            s.settimeout(30)
            server = Server(env={'NOTIFY_SOCKET': name, 'OPIS_FAKE_LOAD_MS': '200'}, wait=False)
            assert s.recv(100) == b'READY=1' and server.get('/readyz').status == 200
            server.process.send_signal(signal.SIGTERM)
            assert s.recv(100) == b'STOPPING=1'
            assert server.stop() == 0
    with Server(env={'NOTIFY_SOCKET': '/nonexistent/socket'}):
        pass
