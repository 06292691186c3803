"""A headless Chromium, driven over WebDriver's HTTP and Chromium's own commands. Nothing but the standard library."""
import base64
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

ELEMENT = 'element-6066-11e4-a52e-4f735466cecf'
KEYS = {'Tab': '\ue004', 'Enter': '\ue007', 'Escape': '\ue00c', 'Space': ' ', 'Left': '\ue012', 'Right': '\ue014', 'Home': '\ue011', 'End': '\ue010', 'Shift': '\ue008', 'Control': '\ue009'}
DRIVER = shutil.which('chromedriver')


class Element(str):
    """The id of one."""


class Browser:
    def __init__(self, languages='en-US,en', downloads=None):
        self.profile = tempfile.mkdtemp(prefix='opis-chromium-')
        self.driver = subprocess.Popen([DRIVER, '--port=0'], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for line in self.driver.stdout:
            found = re.search(r'started successfully on port (\d+)', line)
            if found:
                break
        else:
            raise RuntimeError('chromedriver does not start')
        self.base = 'http://127.0.0.1:%s' % found.group(1)
        arguments = ['--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--hide-scrollbars', '--force-color-profile=srgb', '--use-fake-device-for-media-stream',
                     '--use-fake-ui-for-media-stream', '--user-data-dir=' + self.profile, '--lang=' + languages.split(',')[0]]
        options = {'args': arguments, 'prefs': {'intl.accept_languages': languages}}
        answer = self.http('POST', '/session', {'capabilities': {'alwaysMatch': {'browserName': 'chrome', 'goog:chromeOptions': options, 'goog:loggingPrefs': {'browser': 'ALL'}}}})
        self.base += '/session/' + answer['sessionId']
        self.size(1280, 900)
        if downloads:
            self.cdp('Browser.setDownloadBehavior', behavior='allow', downloadPath=str(downloads))

    def http(self, method, path, body=None):
        request = urllib.request.Request(self.base + path, None if body is None else json.dumps(body).encode(), {'Content-Type': 'application/json'}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)['value']
        except urllib.error.HTTPError as e:
            raise RuntimeError(json.load(e)['value']['message']) from None

    def close(self):
        try:
            self.http('DELETE', '')
        finally:
            self.driver.terminate()
            self.driver.wait(20)
            self.driver.stdout.close()
            shutil.rmtree(self.profile, ignore_errors=True)

    def cdp(self, command, **parameters):
        return self.http('POST', '/goog/cdp/execute', {'cmd': command, 'params': parameters})

    def open(self, url):
        """A fresh page: nothing stored of what came before."""
        origin = '/'.join(url.split('/')[:3])
        self.cdp('Storage.clearDataForOrigin', origin=origin, storageTypes='all')
        self.http('POST', '/url', {'url': 'about:blank'})
        self.http('POST', '/url', {'url': url})
        self.until("document.documentElement.dataset.ready === 'yes'")

    def run(self, script, *arguments):
        return self.http('POST', '/execute/sync', {'script': script, 'args': [{ELEMENT: str(a)} if isinstance(a, Element) else a for a in arguments]})

    def run_async(self, script, *arguments):
        """A script that calls done(value)."""
        return self.http('POST', '/execute/async', {'script': 'const done = arguments[arguments.length - 1];' + script, 'args': list(arguments)})

    def value(self, expression):
        return self.run('return ' + expression)

    def until(self, expression, seconds=30):
        """Polls until the expression is true; a limit against hanging, not of speed."""
        end = time.monotonic() + seconds
        while True:
            got = self.value(expression)
            if got:
                return got
            assert time.monotonic() < end, 'never true: ' + expression + '\n' + self.value('document.body.innerText')[:2000]
            time.sleep(0.03)

    def find(self, selector):
        return Element(self.http('POST', '/element', {'using': 'css selector', 'value': selector})[ELEMENT])

    def count(self, selector):
        return self.run('return document.querySelectorAll(arguments[0]).length', selector)

    def text(self, selector):
        return self.run('return document.querySelector(arguments[0]).innerText.trim()', selector)

    def texts(self, selector):
        return self.run('return [...document.querySelectorAll(arguments[0])].map((e) => e.innerText.trim())', selector)

    def attribute(self, selector, name):
        return self.run('return document.querySelector(arguments[0]).getAttribute(arguments[1])', selector, name)

    def click(self, selector):
        self.http('POST', '/element/%s/click' % self.find(selector), {})

    def write(self, selector, text):
        e = self.find(selector)
        self.run('arguments[0].focus(); arguments[0].select()', e)
        self.http('POST', '/element/%s/value' % e, {'text': text})

    def choose(self, *paths):
        self.http('POST', '/element/%s/value' % self.find('#file'), {'text': '\n'.join(map(str, paths))})

    def keys(self, *names, held=None):
        actions = []
        if held:
            actions.append({'type': 'keyDown', 'value': KEYS[held]})
        for name in names:
            actions += [{'type': kind, 'value': KEYS.get(name, name)} for kind in ('keyDown', 'keyUp')]
        if held:
            actions.append({'type': 'keyUp', 'value': KEYS[held]})
        self.http('POST', '/actions', {'actions': [{'type': 'key', 'id': 'keyboard', 'actions': actions}]})

    def hover(self, selector):
        x, y = self.middle(selector)
        self.cdp('Input.dispatchMouseEvent', type='mouseMoved', x=x, y=y)

    def middle(self, selector):
        return self.run("const e = document.querySelector(arguments[0]); e.scrollIntoView({block: 'center', behavior: 'instant'}); const r = e.getBoundingClientRect(); "
                        'return [r.x + r.width / 2, r.y + r.height / 2]', selector)

    def drop(self, selector, *paths, release=True):
        """Files dragged in from outside, as the system would."""
        x, y = self.middle(selector)
        data = {'items': [], 'files': [str(p) for p in paths], 'dragOperationsMask': 1}
        for kind in ('dragEnter', 'dragOver', *(('drop',) if release else ())):
            self.cdp('Input.dispatchDragEvent', type=kind, x=x, y=y, data=data)

    def paste_picture(self, data):
        """A PNG put on the clipboard, then Ctrl+V."""
        self.cdp('Browser.grantPermissions', permissions=['clipboardReadWrite', 'clipboardSanitizedWrite'])
        failed = self.run_async('''const bytes = Uint8Array.from(atob(arguments[0]), (c) => c.charCodeAt(0));
            navigator.clipboard.write([new ClipboardItem({'image/png': new Blob([bytes], {type: 'image/png'})})]).then(() => done(null), (e) => done(String(e)));''', base64.b64encode(data).decode())
        assert failed is None, failed
        self.keys('v', held='Control')

    def clipboard(self):
        self.cdp('Browser.grantPermissions', permissions=['clipboardReadWrite', 'clipboardSanitizedWrite'])
        return self.run_async("navigator.clipboard.readText().then(done, (e) => done('error: ' + e));")

    def size(self, width, height, phone=False):
        self.cdp('Emulation.setDeviceMetricsOverride', width=width, height=height, deviceScaleFactor=2 if phone else 1, mobile=phone)
        self.cdp('Emulation.setTouchEmulationEnabled', enabled=phone)

    def scheme(self, value):
        self.cdp('Emulation.setEmulatedMedia', features=[{'name': 'prefers-color-scheme', 'value': value}])

    def log(self):
        """What the console complains of, but for refusals that are the server's proper answers and for the test's own reading of canvases."""
        entries = self.http('POST', '/se/log', {'type': 'browser'})
        return [e for e in entries if e['level'] in ('WARNING', 'SEVERE') and e['source'] != 'rendering' and not re.search(r'responded with a status of (401|422|429|503)', e['message'])]

    def screenshot(self, path, whole=True):
        size = self.cdp('Page.getLayoutMetrics')['cssContentSize']
        clip = {'clip': {'x': 0, 'y': 0, 'width': size['width'], 'height': size['height'], 'scale': 1}} if whole else {}
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'wb') as f:
            f.write(base64.b64decode(self.cdp('Page.captureScreenshot', captureBeyondViewport=whole, **clip)['data']))
