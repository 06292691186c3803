# venv: serve
"""axe-core (from npm) looks at the page in Chromium: empty, with results and an error, dialogs open, both languages and themes, wide and narrow. It finds nothing."""
import os
import sys

import npm
import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(ROOT, 'tests', 'web'), os.path.join(ROOT, 'tests', 'serve')]
from browser import Browser  # noqa: E402
from helper import OPIS, Server  # noqa: E402

VERSION = '4.10.3'
CAT = os.path.join(ROOT, 'examples', 'cat.jpg')


@pytest.fixture(scope='module')
def axe():
    script = npm.package('axe-core', VERSION) / 'axe-core' / 'axe.min.js'
    with open(script, encoding='utf-8') as f:
        return f.read()


def violations(browser, axe):
    browser.cdp('Page.setBypassCSP', enabled=True)
    browser.run(axe + '; return null')
    found = browser.run_async('''axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']}).then((r) => done({
        violations: r.violations.map((v) => [v.id, v.nodes.map((n) => n.target.join(' ') + ': ' + n.failureSummary)]), passes: r.passes.length}), (e) => done({failed: String(e)}));''')
    assert found.get('passes', 0) > 15, found
    return found['violations']


@pytest.mark.parametrize('languages', ['ru-RU,ru', 'en-GB,en'])
@pytest.mark.parametrize('scheme', ['light', 'dark'])
@pytest.mark.parametrize('width', [1280, 390])
def test_axe_finds_nothing(axe, languages, scheme, width, tmp_path):
    bad = tmp_path / 'bad.png'
    bad.write_bytes(b'no picture')
    browser = Browser(languages)
    try:
        with Server(program=OPIS) as server:
            browser.size(width, 850, phone=width < 500)
            browser.scheme(scheme)
            browser.open(server.url + '/')
            assert violations(browser, axe) == []
            browser.choose(CAT, str(bad))
            browser.until("document.querySelectorAll('.card').length === 2 && !document.querySelector('.card[aria-busy=true]')")
            browser.click('.word')
            browser.run("for (const a of document.getAnimations()) a.finish()")
            assert violations(browser, axe) == []
            for dialog in ('camera', 'key', 'sure'):
                browser.run("document.getElementById('sure-text').textContent = '?'; document.getElementById(arguments[0]).showModal()", dialog)
                assert violations(browser, axe) == [], dialog
                browser.run('document.getElementById(arguments[0]).close()', dialog)
    finally:
        browser.close()


def test_axe_would_find_something(axe):
    """The check itself is checked: a page made worse has violations."""
    browser = Browser('en')
    try:
        with Server(program=OPIS) as server:
            browser.open(server.url + '/')
            browser.run("document.getElementById('search').labels[0].remove(); document.body.append(Object.assign(document.createElement('img'), {src: 'icon.svg'}));"
                        "document.querySelector('footer').style.color = '#bbb'")
            assert {'image-alt', 'color-contrast'} <= {name for name, _ in violations(browser, axe)}
    finally:
        browser.close()
