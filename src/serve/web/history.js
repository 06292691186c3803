/* The history: on the server where it keeps one, else in this browser's storage. */
import { word, language } from './words.js';

const KEY = 'opis.history', MOST = 300, PAGE = 24;
const $ = (id) => document.getElementById(id);
let remote = false, ask = null, next = null, serial = 0;

const read = () => {
  try { return JSON.parse(localStorage.getItem(KEY)) || []; } catch { return []; }
};
const write = (entries) => {
  for (let n = Math.min(entries.length, MOST); n >= 0; n = n > 8 ? n >> 1 : n - 1) {
    try { localStorage.setItem(KEY, JSON.stringify(entries.slice(0, n))); return; } catch { /* full: keep fewer */ }
  }
};

const fold = (s) => (s || '').normalize('NFC').toLowerCase();

async function page(search, before) {
  if (remote) return (await ask(`v1/history?limit=${PAGE}${search ? `&search=${encodeURIComponent(search)}` : ''}${before ? `&before=${before}` : ''}`)).json();
  const found = read().filter((e) => !search || fold(`${e.path}\n${e.description}`).includes(fold(search)));
  const from = before ? found.findIndex((e) => e.id === before) + 1 : 0;
  const entries = found.slice(from, from + PAGE);
  return { entries, next: from + PAGE < found.length ? entries[entries.length - 1].id : null };
}

const shape = (paths) => `<svg viewBox="0 0 24 24" aria-hidden="true">${paths}</svg>`;

function item(entry) {
  const li = document.createElement('li');
  li.className = 'entry';
  let thumb;
  if (entry.thumb) {
    thumb = document.createElement('img');
    thumb.src = entry.thumb;
    thumb.alt = '';
  } else {
    thumb = document.createElement('div');
    thumb.innerHTML = shape('<rect class="line" x="3" y="5" width="18" height="14" rx="2"/><path class="line" d="m4 17 5-5 4 3 3-4 4 5"/>');
  }
  thumb.classList.add('thumb');
  const text = document.createElement('div'), p = document.createElement('p'), when = document.createElement('p'), remove = document.createElement('button');
  p.textContent = entry.description;
  p.lang = 'en';
  when.className = 'when';
  when.textContent = [entry.path, new Date(entry.time * 1000).toLocaleString(language(), { day: 'numeric', month: 'short', year: new Date(entry.time * 1000).getFullYear() === new Date().getFullYear() ? undefined : 'numeric', hour: '2-digit', minute: '2-digit' })].filter(Boolean).join(' · ');
  text.append(p, when);
  remove.type = 'button';
  remove.className = 'icon';
  remove.innerHTML = shape('<path class="line" d="M6 6l12 12M18 6L6 18"/>');
  remove.setAttribute('aria-label', word('deleteEntry', entry.description));
  remove.addEventListener('click', async () => {
    if (remote) await ask(`v1/history/${entry.id}`, { method: 'DELETE' });
    else write(read().filter((e) => e.id !== entry.id));
    const neighbour = li.nextElementSibling || li.previousElementSibling;
    li.remove();
    if (neighbour) neighbour.querySelector('button').focus();
    else { await show(); $('search').focus(); }
  });
  li.append(thumb, text, remove);
  return li;
}

export async function show(more = false) {
  const mine = ++serial, search = $('search').value.trim();
  let got;
  try { got = await page(search, more ? next : null); } catch { return; }
  if (mine !== serial) return;
  const list = $('entries');
  if (!more) list.replaceChildren();
  list.append(...got.entries.map(item));
  next = got.next;
  $('more').hidden = !next;
  $('forget').hidden = !list.children.length;
  const none = list.children.length ? '' : ` ${word(search ? 'historyNone' : 'historyEmpty')}`;
  $('history-where').textContent = word(remote ? 'historyServer' : 'historyLocal') + none;
}

export async function add(result, thumb) {
  if (!remote) {
    const entries = read();
    entries.unshift({ id: Date.now() * 1000 + Math.floor(Math.random() * 1000), time: Math.floor(Date.now() / 1000), path: result.path, description: result.description, score: result.score, model: result.model, thumb });
    write(entries);
  }
  await show();
}

export function start(server, request) {
  remote = server;
  ask = request;
  let timer;
  $('search').addEventListener('input', () => { clearTimeout(timer); timer = setTimeout(() => show(), 200); });
  $('more').addEventListener('click', () => show(true));
  $('forget').addEventListener('click', () => {
    $('sure-text').textContent = word('sure');
    $('sure').returnValue = '';
    $('sure').showModal();
  });
  $('sure').addEventListener('close', async () => {
    if ($('sure').returnValue !== 'yes') return;
    if (remote) await ask('v1/history', { method: 'DELETE' });
    else write([]);
    await show();
    $('search').focus();
  });
  return show();
}
