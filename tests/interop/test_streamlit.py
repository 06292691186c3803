# venv: streamlit
"""The Streamlit page of examples/python-project, served by Streamlit with the wheel installed beside it, and used in Chromium."""
import os
import pathlib
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

ROOT = pathlib.Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests" / "web"))
from browser import Browser  # noqa: E402

OPIS = os.environ["OPIS"]
APP = ROOT / "examples" / "python-project" / "app.py"
PHOTOS = sorted((ROOT / "examples").glob("*.jpg"))
HERE = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@pytest.fixture(scope="module")
def module(tmp_path_factory):
    """The folder with the module that `make wheel` packs."""
    folder = tmp_path_factory.mktemp("module")
    subprocess.run([ROOT / "ci" / "wheel", folder], cwd=ROOT, env={**os.environ, "BUILD": os.environ.get("BUILD", "build"), "PYTHON": "/usr/bin/python3"}, check=True, timeout=600, stdout=subprocess.DEVNULL)
    subprocess.run([sys.executable, "-m", "zipfile", "-e", next(folder.glob("*.whl")), folder / "site"], check=True)
    return folder / "site"


@pytest.fixture(scope="module")
def address(module, tmp_path_factory):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    env = {k: v for k, v in os.environ.items() if k != "OPIS_LIBRARY"}
    home = tmp_path_factory.mktemp("home")
    command = [sys.executable, "-m", "streamlit", "run", APP, "--server.headless=true", "--server.address=127.0.0.1", f"--server.port={port}", "--server.fileWatcherType=none", "--browser.gatherUsageStats=false"]
    log = open(home / "log", "w+")
    server = subprocess.Popen(command, cwd=home, env={**env, "PYTHONPATH": str(module), "HOME": str(home)}, stdout=log, stderr=subprocess.STDOUT)
    try:
        for _ in range(1200):
            assert server.poll() is None, (home / "log").read_text()
            try:
                HERE.open(f"http://127.0.0.1:{port}/_stcore/health", timeout=10)
                break
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/"
    finally:
        server.terminate()
        server.wait(30)
        log.close()
    assert "Traceback" not in (home / "log").read_text(), (home / "log").read_text()


@pytest.fixture
def browser():
    browser = Browser("ru-RU,ru")
    yield browser
    browser.close()


def upload(browser, path):
    browser.http("POST", f"/element/{browser.find('input[type=file]')}/value", {"text": str(path)})


def words(path):
    return subprocess.run([OPIS, "describe", "--beams", "4", "--max-length", "16", path], capture_output=True, text=True, check=True).stdout.strip()


def test_page_is_fifteen_lines():
    assert len(APP.read_text().splitlines()) <= 15


def test_pictures_are_described_one_after_another(browser, address):
    browser.http("POST", "/url", {"url": address})
    browser.until("document.querySelector('input[type=file]')", 120)
    assert browser.text("h1").startswith("Описание изображения")
    for photo in PHOTOS[:2]:
        upload(browser, photo)
        browser.until(f"document.body.innerText.includes({words(photo)!r})", 120)
        browser.until("[...document.querySelectorAll('img')].some((i) => i.complete && i.naturalWidth > 100)")
    assert words(PHOTOS[0]) != words(PHOTOS[1]) and words(PHOTOS[0]) not in browser.value("document.body.innerText")


def test_what_is_no_picture_is_told(browser, address, tmp_path):
    (tmp_path / "note.jpg").write_text("no picture")
    browser.http("POST", "/url", {"url": address})
    browser.until("document.querySelector('input[type=file]')", 120)
    upload(browser, tmp_path / "note.jpg")
    browser.until("document.body.innerText.includes('Описать не удалось')", 120)
    assert browser.count("[data-testid=stImage]") == 0
