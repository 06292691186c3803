/* The page: pictures in, words out. */
import { word, errorWord, choose, preferred, language } from './words.js';
import { wordsOf, draw } from './attention.js';
import * as past from './history.js';

const $ = (id) => document.getElementById(id);
const PARALLEL = 3, TRIES = 20;
const cards = [];
const touch = window.matchMedia('(hover: none)');
let info = { max_upload: 200 * 1024 * 1024 }, models = [], running = 0, serial = 0;

/* Talking to the server */

const key = {
  get() { try { return sessionStorage.getItem('opis.key'); } catch { return null; } },
  set(value) { try { sessionStorage.setItem('opis.key', value); } catch { /* for this page only, then */ } },
};

let asking = null;
function askForKey() {
  asking ||= new Promise((resolve) => {
    $('key').addEventListener('close', () => { key.set($('key-value').value.trim()); asking = null; resolve(); }, { once: true });
    $('key').showModal();
  });
  return asking;
}

async function request(path, options = {}) {
  for (;;) {
    const headers = key.get() ? { Authorization: `Bearer ${key.get()}` } : {};
    const answer = await fetch(path, { ...options, headers });
    if (answer.status !== 401) return answer;
    await askForKey();
  }
}

/* Sends one picture. XMLHttpRequest, for it tells how much is uploaded and how much has come. */
function describe(card, onEvent) {
  return new Promise((resolve) => {
    const x = new XMLHttpRequest(), form = new FormData();
    let seen = 0;
    const beams = Number($('beams').value) || 4;
    form.append('image', card.file, card.name);
    for (const [name, value] of Object.entries({ beams, max_length: Number($('length').value) || 16, candidates: Math.min(beams, 4), attention: true, stream: true })) form.append(name, value);
    if ($('model').value) form.append('model', $('model').value);
    const events = () => {
      if (x.status !== 200 || !(x.getResponseHeader('Content-Type') || '').startsWith('text/event-stream')) return;
      for (let end; (end = x.responseText.indexOf('\n\n', seen)) >= 0; seen = end + 2) {
        const [, name, data] = /^event: (\w+)\ndata: (.*)$/su.exec(x.responseText.slice(seen, end)) || [];
        if (name) onEvent(name, JSON.parse(data));
      }
    };
    x.upload.onprogress = (e) => e.lengthComputable && card.say('uploading', e.loaded / e.total);
    x.upload.onload = () => card.say('working');
    x.onprogress = events;
    x.onerror = () => resolve({ error: { code: 'network', message: '' } });
    x.onabort = () => resolve({ error: { code: 'network', message: '' } });
    x.onload = () => {
      events();
      if (x.status === 200) { resolve({}); return; }
      let error = { code: 'other', message: `HTTP ${x.status}` };
      try { error = JSON.parse(x.responseText).error; } catch { /* not ours */ }
      resolve({ status: x.status, error, after: Number(x.getResponseHeader('Retry-After')) || 1 });
    };
    x.open('POST', 'v1/describe');
    if (key.get()) x.setRequestHeader('Authorization', `Bearer ${key.get()}`);
    x.send(form);
    card.request = x;
  });
}

/* Cards */

const make = (tag, className, text) => {
  const e = document.createElement(tag);
  if (className) e.className = className;
  if (text !== undefined) e.textContent = text;
  return e;
};
const ICONS = {
  copy: '<rect class="line" x="8" y="8" width="12" height="12" rx="2.5"/><path class="line" d="M16 8V6.500A2.500 2.500 0 0 0 13.500 4h-7A2.500 2.500 0 0 0 4 6.500v7A2.500 2.500 0 0 0 6.500 16H8"/>',
  again: '<path class="line" d="M20 12a8 8 0 1 1-2.600-5.900M20 3.500V8h-4.500"/>',
  remove: '<path class="line" d="M6 6l12 12M18 6 6 18"/>',
  picture: '<rect class="line" x="3" y="4" width="18" height="16" rx="2"/><path class="line" d="m4 17 5-5 4 3 3-4 4 5"/>',
};
const icon = (name) => {
  const t = make('span', 'sign');
  t.innerHTML = `<svg viewBox="0 0 24 24" aria-hidden="true">${ICONS[name]}</svg>`;
  return t;
};
const button = (name, sign, action) => {
  const b = make('button', 'button small'), label = make('span', '', word(name));
  b.type = 'button';
  b.dataset.name = name;
  label.dataset.word = name;
  b.append(icon(sign), label);
  b.addEventListener('click', action);
  return b;
};

class Card {
  constructor(file, name) {
    this.file = file;
    this.name = name;
    this.state = 'waiting';
    this.id = ++serial;
    this.build();
  }

  build() {
    this.root = make('li', 'card');
    this.root.tabIndex = -1;
    this.root.setAttribute('aria-labelledby', `name-${this.id}`);
    const figure = make('figure'), body = make('div', 'body'), meta = make('p', 'meta');
    this.frame = make('div', 'picture');
    this.image = make('img');
    this.image.alt = word('pictureOf', this.name);
    this.image.src = this.url = URL.createObjectURL(this.file);
    this.image.addEventListener('error', () => { this.blind = make('p', 'no-preview'); this.frame.replaceWith(this.blind); this.nameBlind(); });
    this.heat = make('canvas');
    this.heat.setAttribute('aria-hidden', 'true');
    this.tag = make('span', 'tag');
    this.tag.setAttribute('aria-hidden', 'true');
    this.tag.lang = 'en';
    this.frame.append(this.image, this.heat, this.tag);
    figure.append(this.frame);
    const name = make('span', 'name', this.name);
    name.id = `name-${this.id}`;
    this.facts = make('span');
    meta.append(name, this.facts);
    this.label = make('h3', 'caption-label', word('caption'));
    this.label.dataset.word = 'caption';
    this.text = make('p', 'description');
    this.text.lang = 'en';
    this.status = make('p', 'hint');
    this.bar = make('div', 'progress');
    this.bar.append(make('div'));
    this.extra = make('div', 'extra');
    this.tools = make('div', 'actions');
    this.away = make('button', 'icon away');
    this.away.type = 'button';
    this.away.append(icon('remove'));
    this.away.addEventListener('click', () => this.remove());
    body.append(meta, this.label, this.text, this.status, this.bar, this.tools, this.extra);
    this.root.append(figure, body, this.away);
    this.render();
  }

  /* The browser cannot show the picture: what stands in its place. */
  nameBlind() {
    if (!this.blind) return;
    this.blind.replaceChildren(icon('picture'));
    if (!this.error) this.blind.append(make('span', '', word('noPreview')));
  }

  say(state, part) {
    this.state = state;
    this.part = part;
    const busy = ['waiting', 'uploading', 'working'].includes(state);
    this.bar.hidden = this.status.hidden = !busy;
    this.root.setAttribute('aria-busy', String(busy));
    this.status.textContent = busy ? word(state, Math.round((part || 0) * 100)) : '';
    this.bar.classList.toggle('busy', state === 'working' || state === 'waiting');
    this.bar.firstChild.style.width = state === 'uploading' ? `${(part || 0) * 100}%` : '';
  }

  partial(text) {
    this.text.classList.add('making');
    this.text.textContent = text;
  }

  done(result) {
    this.result = result;
    this.error = null;
    this.say('done');
    this.render();
    $('live').textContent = word('describedAs', this.name, result.description);
    setTimeout(() => past.add({ ...result, path: this.name }, this.thumb())); /* behind the words */
  }

  fail(error) {
    this.error = error;
    this.result = null;
    this.say('failed');
    this.render();
    $('live').textContent = word('describedAs', this.name, errorWord(error.code));
  }

  render() {
    this.image.alt = this.result ? this.result.description : word('pictureOf', this.name);
    this.nameBlind();
    this.extra.replaceChildren();
    this.tools.replaceChildren();
    this.text.classList.remove('making');
    this.label.hidden = this.text.hidden = Boolean(this.error);
    if (this.error) this.renderError();
    if (this.result) this.renderResult();
    this.away.title = word('remove');
    this.away.setAttribute('aria-label', `${word('remove')}: ${this.name}`);
    this.say(this.state, this.part);
  }

  renderError() {
    const problem = make('p', 'problem', errorWord(this.error.code));
    problem.setAttribute('role', 'alert');
    if (this.error.message) problem.append(make('small', '', this.error.message));
    const retry = make('div', 'actions');
    retry.append(button('retry', 'again', () => this.again()));
    this.extra.append(problem, retry);
  }

  renderResult() {
    const r = this.result, seconds = (r.ms.decode + r.ms.encode + r.ms.generate) / 1000;
    this.facts.textContent = `${word('size', r.width, r.height)} · ${word('seconds', seconds.toLocaleString(language(), { maximumSignificantDigits: 2 }))}`;
    this.renderWords(r);
    if (r.candidates.length > 1) this.renderCandidates(r.candidates);
    this.tools.append(button('copy', 'copy', (e) => this.copy(e.currentTarget)), button('again', 'again', () => this.again()));
  }

  /* Once more, with the settings of now. */
  again() {
    this.error = this.result = this.pinned = null;
    this.heat.classList.remove('on');
    this.tag.classList.remove('on');
    this.text.replaceChildren();
    this.text.removeAttribute('role');
    this.text.removeAttribute('aria-label');
    this.say('waiting');
    this.render();
    this.root.focus();
    schedule();
  }

  renderWords(r) {
    const words = wordsOf(r.description, r.attention);
    this.text.replaceChildren();
    this.text.setAttribute('role', 'group');
    this.text.setAttribute('aria-label', `${word('words')}: ${r.description}`);
    words.forEach((w, i) => {
      const span = make('span', w.sums ? 'word' : '', w.text);
      if (w.sums) {
        span.tabIndex = this.text.querySelector('.word') ? -1 : 0;
        span.setAttribute('role', 'button');
        span.setAttribute('aria-pressed', 'false');
        const show = () => this.look(w, r.attention), hide = () => this.look(this.pinned, r.attention);
        span.addEventListener('mouseenter', show);
        span.addEventListener('focus', show);
        span.addEventListener('mouseleave', hide);
        span.addEventListener('blur', hide);
        span.addEventListener('click', () => this.pin(w, span, r.attention));
        span.addEventListener('keydown', (e) => this.walk(e, span));
      }
      this.text.append(i ? ' ' : '', span);
    });
    if (this.text.querySelector('.word') && !this.blind && !cards.some((c) => c.id < this.id && c.result)) this.extra.append(make('p', 'hint', word(touch.matches ? 'tap' : 'look')));
  }

  look(w, attention) {
    const on = Boolean(w) && this.image.naturalWidth > 0;
    if (on) draw(this.heat, this.image, w.sums, attention.width, attention.height);
    this.heat.classList.toggle('on', on);
    this.tag.classList.toggle('on', on);
    if (on) this.tag.textContent = w.text;
  }

  pin(w, span, attention) {
    const already = this.pinned === w;
    for (const other of this.text.querySelectorAll('[aria-pressed="true"]')) other.setAttribute('aria-pressed', 'false');
    this.pinned = already ? null : w;
    span.setAttribute('aria-pressed', String(!already));
    this.look(this.pinned, attention);
  }

  walk(e, span) {
    const all = [...this.text.querySelectorAll('.word')], at = all.indexOf(span);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: all.length - 1 }[e.key];
    if (e.key === 'Enter' || e.key === ' ') span.click();
    else if (e.key === 'Escape' && this.pinned) this.text.querySelector('[aria-pressed="true"]').click();
    else if (to === undefined || !all[to]) return;
    else {
      span.tabIndex = -1;
      all[to].tabIndex = 0;
      all[to].focus();
    }
    e.preventDefault();
  }

  renderCandidates(candidates) {
    const heading = make('h3', 'caption-label', word('candidates')), list = make('ol', 'candidates'), best = Math.exp(candidates[0].score);
    for (const c of candidates) {
      const li = make('li'), text = make('span', '', c.description), meter = make('meter');
      text.lang = 'en';
      meter.max = 1;
      meter.value = Math.min(1, Math.exp(c.score) / best || 0);
      meter.setAttribute('aria-label', word('score'));
      li.append(text, meter, make('span', 'score', c.score.toLocaleString(language(), { minimumFractionDigits: 3, maximumFractionDigits: 3 }).replace('-', '−')));
      list.append(li);
    }
    this.extra.append(heading, list);
  }

  async copy(b) {
    try {
      await navigator.clipboard.writeText(this.result.description);
    } catch { /* not a secure context: the old way */
      const t = make('textarea');
      t.value = this.result.description;
      document.body.append(t);
      t.select();
      document.execCommand('copy');
      t.remove();
    }
    b.lastChild.textContent = $('live').textContent = word('copied');
    setTimeout(() => { b.lastChild.textContent = word('copy'); }, 1500);
  }

  thumb() {
    if (!this.image.naturalWidth) return null;
    const c = make('canvas'), side = 112, s = Math.min(this.image.naturalWidth, this.image.naturalHeight);
    c.width = c.height = side;
    c.getContext('2d').drawImage(this.image, (this.image.naturalWidth - s) / 2, (this.image.naturalHeight - s) / 2, s, s, 0, 0, side, side);
    return c.toDataURL('image/jpeg', 0.75);
  }

  remove() {
    const at = cards.indexOf(this), neighbour = cards[at + 1] || cards[at - 1];
    cards.splice(at, 1);
    this.removed = true;
    if (this.request) this.request.abort();
    this.root.remove();
    URL.revokeObjectURL(this.url);
    update();
    if (neighbour) neighbour.root.focus();
    else $('file').focus();
  }

  async run() {
    for (let n = 0; !this.removed; n++) {
      let ended = null;
      this.say('uploading', 0);
      const { status, error, after } = await describe(this, (name, data) => {
        if (name === 'partial') this.partial(data.text);
        else ended = data;
      });
      if (this.removed) return;
      if (status === 401) await askForKey();
      else if ((status === 503 || status === 429) && n < TRIES) {
        this.say('waiting');
        await new Promise((resolve) => { setTimeout(resolve, 1000 * after); });
      } else if (error) { this.fail(error); return; }
      else if (!ended) { this.fail({ code: 'network', message: '' }); return; }
      else if (ended.error) { this.fail(ended.error); return; }
      else { this.done(ended); return; }
    }
  }
}

/* Lists */

function update() {
  const finished = cards.filter((c) => c.result || c.error).length;
  $('results').hidden = !cards.length;
  $('drop').classList.toggle('compact', cards.length > 0);
  $('count').textContent = cards.length > 1 || finished < cards.length ? `${finished} / ${cards.length}` : '';
}

function schedule() {
  update();
  while (running < PARALLEL) {
    const card = cards.find((c) => c.state === 'waiting' && !c.started);
    if (!card) return;
    card.started = true;
    running++;
    card.run().finally(() => { running--; card.started = false; schedule(); });
  }
}

function add(files) {
  for (const { file, name } of files) {
    const card = new Card(file, name);
    cards.unshift(card);
    $('cards').prepend(card.root);
    if (file.size > info.max_upload) card.fail({ code: 'OPIS_ELIMIT', message: size(file.size) });
  }
  cards.sort((a, b) => a.id - b.id);
  $('cards').append(...cards.map((c) => c.root));
  schedule();
}

const named = (list) => [...list].map((file) => ({ file, name: file.name }));
const size = (bytes) => {
  const units = language() === 'ru' ? ['Б', 'КБ', 'МБ', 'ГБ'] : ['B', 'kB', 'MB', 'GB'];
  let n = bytes, u = 0;
  for (; n >= 1024 && u < 3; u++) n /= 1024;
  return `${Math.round(n)} ${units[u]}`;
};

function save(name, type, text) {
  const a = make('a'), url = URL.createObjectURL(new Blob([text], { type }));
  a.href = url;
  a.download = name;
  a.click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

const outcome = (c) => {
  const { attention, index, ...rest } = c.result || { error: c.error };
  return { ...rest, path: c.name };
};
const finished = () => cards.filter((c) => c.result || c.error).map(outcome);
const cell = (v) => (/[",\r\n]/u.test(v) ? `"${v.replaceAll('"', '""')}"` : v);
/* A cell that a spreadsheet would take for a formula is made text. */
const safe = (v) => (/^[=+\-@\t]/u.test(v) ? `'${v}` : v);

function saveCsv() {
  const rows = finished().map((r) => [safe(r.path), safe(r.description || ''), r.score === undefined ? '' : String(r.score), r.error ? r.error.message || r.error.code : '']);
  save('opis.csv', 'text/csv', [['path', 'description', 'score', 'error'], ...rows].map((r) => r.map(cell).join(',')).join('\r\n') + '\r\n');
}

/* Camera */

async function openCamera() {
  if (!navigator.mediaDevices || !navigator.mediaDevices.getUserMedia) { $('camera-file').click(); return; }
  try {
    $('video').srcObject = await navigator.mediaDevices.getUserMedia({ video: { facingMode: 'environment' } });
    $('camera').showModal();
  } catch {
    $('camera-file').click();
  }
}

function snap() {
  const v = $('video'), c = make('canvas');
  c.width = v.videoWidth;
  c.height = v.videoHeight;
  c.getContext('2d').drawImage(v, 0, 0);
  c.toBlob((blob) => { if (blob) add([{ file: blob, name: `${word('photo')} ${new Date().toLocaleTimeString(language())}.jpg` }]); }, 'image/jpeg', 0.92);
  $('camera').close();
}

/* Language, theme, start */

function applyLanguage(wanted) {
  choose(wanted);
  $('drop-hint').textContent = word('hint', size(info.max_upload));
  document.title = `${word('title')} ${$('model-name').textContent}`;
  nameTheme();
  for (const c of cards) c.render();
  past.show();
}

const dark = window.matchMedia('(prefers-color-scheme: dark)');
function nameTheme() {
  const now = document.documentElement.dataset.theme;
  $('theme').setAttribute('aria-label', word(now === 'dark' ? 'themeDark' : 'themeLight'));
  $('theme').title = word(now === 'dark' ? 'themeDark' : 'themeLight');
}
function applyTheme() {
  let stored = null;
  try { stored = localStorage.getItem('opis.theme'); } catch { /* as the system says */ }
  document.documentElement.dataset.theme = stored || (dark.matches ? 'dark' : 'light');
}
function turnTheme() {
  const to = document.documentElement.dataset.theme === 'dark' ? 'light' : 'dark';
  try { localStorage.setItem('opis.theme', to); } catch { /* for this page only, then */ }
  document.documentElement.dataset.theme = to;
  nameTheme();
}

function listen() {
  const drop = $('drop');
  let depth = 0;
  $('file').addEventListener('change', (e) => { add(named(e.target.files)); e.target.value = ''; });
  $('camera-file').addEventListener('change', (e) => { add(named(e.target.files)); e.target.value = ''; });
  for (const type of ['dragenter', 'dragover', 'dragleave', 'drop']) document.addEventListener(type, (e) => {
    if (!e.dataTransfer || ![...e.dataTransfer.types].includes('Files')) return;
    e.preventDefault();
    depth += type === 'dragenter' ? 1 : type === 'dragleave' ? -1 : 0;
    if (type === 'drop') { depth = 0; add(named(e.dataTransfer.files)); }
    drop.classList.toggle('over', depth > 0);
    $('veil').hidden = depth <= 0;
  });
  document.addEventListener('paste', (e) => {
    const files = [...(e.clipboardData ? e.clipboardData.files : [])];
    if (!files.length) return;
    e.preventDefault();
    add(files.map((file) => ({ file, name: file.name && file.name !== 'image.png' ? file.name : `${word('clipboard')} ${new Date().toLocaleTimeString(language())}.png` })));
  });
  $('camera-open').addEventListener('click', openCamera);
  $('camera-close').addEventListener('click', () => $('camera').close());
  $('camera').addEventListener('close', () => { if ($('video').srcObject) for (const t of $('video').srcObject.getTracks()) t.stop(); $('video').srcObject = null; });
  $('snap').addEventListener('click', snap);
  $('save-json').addEventListener('click', () => save('opis.json', 'application/json', `${JSON.stringify(finished(), null, 1)}\n`));
  $('save-csv').addEventListener('click', saveCsv);
  $('clear').addEventListener('click', () => { while (cards.length) cards[0].remove(); });
  $('theme').addEventListener('click', turnTheme);
  $('model').addEventListener('change', nameModel);
  for (const id of ['model', 'beams', 'length']) $(id).addEventListener('change', remember);
  for (const b of document.querySelectorAll('[data-language]')) b.addEventListener('click', () => {
    try { localStorage.setItem('opis.language', b.dataset.language); } catch { /* for this page only, then */ }
    applyLanguage(b.dataset.language);
  });
  dark.addEventListener('change', () => { applyTheme(); nameTheme(); });
}

/* The choice of model, beams and length outlives the page. */
function remember() {
  for (const id of ['beams', 'length']) {
    const e = $(id), n = Math.round(Number(e.value));
    e.value = Number.isFinite(n) && e.value !== '' ? Math.min(Number(e.max), Math.max(Number(e.min), n)) : e.defaultValue;
  }
  try { localStorage.setItem('opis.settings', JSON.stringify({ model: $('model').value, beams: $('beams').value, length: $('length').value })); } catch { /* for this page only, then */ }
}

function recall() {
  let stored = null;
  try { stored = JSON.parse(localStorage.getItem('opis.settings')); } catch { /* the usual ones */ }
  if (!stored) return;
  if (models.some((m) => m.id === stored.model)) $('model').value = stored.model;
  for (const id of ['beams', 'length']) if (Number(stored[id]) >= Number($(id).min) && Number(stored[id]) <= Number($(id).max)) $(id).value = stored[id];
}

function nameModel() {
  $('model-name').textContent = $('model').value || '…';
  document.title = `${word('title')} ${$('model').value}`;
}

function banner(text, bad) {
  $('banner').hidden = !text;
  $('banner').textContent = text || '';
  $('banner').classList.toggle('bad', Boolean(bad));
}

async function loadModels() {
  for (;;) {
    try {
      const answer = await request('v1/models');
      if (answer.ok) {
        models = (await answer.json()).data;
        break;
      }
      banner(word('loading'));
    } catch {
      banner(word('lost'), true);
    }
    await new Promise((resolve) => { setTimeout(resolve, 700); });
  }
  banner('');
  $('model').replaceChildren(...models.map((m) => new Option(m.id, m.id)));
  $('model').disabled = models.length < 2;
  recall();
  nameModel();
}

async function start() {
  choose(preferred());
  listen();
  try { info = await (await fetch('v1/info')).json(); } catch { banner(word('lost'), true); }
  applyLanguage(preferred());
  $('version').textContent = info.version ? `· opis ${info.version}` : '';
  await loadModels();
  await past.start(Boolean(info.history), request);
  document.documentElement.dataset.ready = 'yes';
}

start();
