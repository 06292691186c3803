/* What the page says, in Russian and English. */
const ru = {
  skip: 'К загрузке изображения', title: 'Описание изображения с помощью модели', upload: 'Загрузите изображение для описания',
  hint: (size) => `Перетащите сюда, выберите или вставьте из буфера. JPEG, PNG, WebP, GIF, HEIC, TIFF, BMP\u00a0— до\u00a0${size}`,
  choose: 'Выбрать файлы', camera: 'Камера', settings: 'Настройки', model: 'Модель', beams: 'Лучей поиска', length: 'Длина, токенов', language: 'Язык',
  results: 'Изображения', saveJson: 'Скачать JSON', saveCsv: 'Скачать CSV', clear: 'Убрать все', history: 'История', search: 'Поиск в истории', forgetAll: 'Очистить',
  forget: 'Удалить', cancel: 'Отмена', more: 'Показать ещё', private: 'Изображения обрабатываются на этом сервере и никуда больше не отправляются.', api: 'Описание API', close: 'Закрыть',
  snap: 'Снять', keyNeeded: 'Нужен ключ', keyLabel: 'Ключ API этого сервера', ok: 'Продолжить',
  historyServer: 'Описания хранит сервер.', historyLocal: 'Описания хранятся только в этом браузере.', historyEmpty: 'Пока пусто.', historyNone: 'Ничего не найдено.',
  caption: 'Описание изображения:', uploading: (p) => `Отправляется: ${p} %`, waiting: 'Ждёт очереди…', working: 'Модель смотрит…', size: (w, h) => `${w} × ${h}`,
  seconds: (s) => `${s}\u00a0с`, look: 'Наведите указатель на слово или выберите его клавишами ← →: станет видно, куда смотрела модель.',
  tap: 'Коснитесь слова: станет видно, куда смотрела модель.', candidates: 'Варианты', score: 'оценка',
  copy: 'Копировать', copied: 'Скопировано', retry: 'Повторить', again: 'Описать заново', dropHere: 'Отпустите, чтобы описать', remove: 'Убрать', noPreview: 'Браузер не показывает этот формат, но модель его читает.',
  describedAs: (name, text) => `${name}: ${text}`, sure: 'Удалить всю историю?', deleteEntry: (text) => `Удалить из истории: ${text}`, clipboard: 'Из буфера', photo: 'Снимок',
  pictureOf: (name) => `Изображение ${name}`, words: 'Слова описания', loading: 'Модель загружается…', lost: 'Сервер не отвечает.', themeLight: 'Тема: светлая', themeDark: 'Тема: тёмная',
  errors: {
    OPIS_EFORMAT: 'Это не изображение, или файл повреждён.', OPIS_ELIMIT: 'Изображение слишком большое.', OPIS_EUNSUPPORTED: 'Такой вид файлов этот сервер не читает.',
    OPIS_EINVALID: 'Сервер не принял настройки.', OPIS_EBUSY: 'Сервер занят. Попробуйте позже.', OPIS_ETIMEOUT: 'Не хватило времени.', OPIS_EAUTH: 'Сервер не принял ключ.',
    network: 'Связь с сервером прервалась.', other: 'Не получилось.',
  },
};
const en = {
  skip: 'To the upload', title: 'Image description with the model', upload: 'Upload an image to describe',
  hint: (size) => `Drop it here, choose it or paste it. JPEG, PNG, WebP, GIF, HEIC, TIFF, BMP, up to\u00a0${size}`,
  choose: 'Choose files', camera: 'Camera', settings: 'Settings', model: 'Model', beams: 'Beams', length: 'Length, tokens', language: 'Language',
  results: 'Images', saveJson: 'Download JSON', saveCsv: 'Download CSV', clear: 'Remove all', history: 'History', search: 'Search the history', forgetAll: 'Clear',
  forget: 'Delete', cancel: 'Cancel', more: 'Show more', private: 'Images are processed on this server and are sent nowhere else.', api: 'API description', close: 'Close',
  snap: 'Take it', keyNeeded: 'A key is needed', keyLabel: 'API key of this server', ok: 'Continue',
  historyServer: 'Descriptions are kept by the server.', historyLocal: 'Descriptions are kept in this browser only.', historyEmpty: 'Nothing yet.', historyNone: 'Nothing found.',
  caption: 'Image description:', uploading: (p) => `Uploading: ${p} %`, waiting: 'Waiting for its turn…', working: 'The model is looking…', size: (w, h) => `${w} × ${h}`,
  seconds: (s) => `${s} s`, look: 'Point at a word, or walk through them with ← →, to see where the model looked.', tap: 'Tap a word to see where the model looked.', candidates: 'Candidates', score: 'score',
  copy: 'Copy', copied: 'Copied', retry: 'Try again', again: 'Describe again', dropHere: 'Let go to describe', remove: 'Remove', noPreview: 'The browser cannot show this format, but the model reads it.',
  describedAs: (name, text) => `${name}: ${text}`, sure: 'Delete the whole history?', deleteEntry: (text) => `Delete from the history: ${text}`, clipboard: 'Pasted', photo: 'Photo',
  pictureOf: (name) => `Image ${name}`, words: 'Words of the description', loading: 'The model is being loaded…', lost: 'The server does not answer.', themeLight: 'Theme: light', themeDark: 'Theme: dark',
  errors: {
    OPIS_EFORMAT: 'This is no image, or the file is damaged.', OPIS_ELIMIT: 'The image is too large.', OPIS_EUNSUPPORTED: 'This server does not read files of this kind.',
    OPIS_EINVALID: 'The server refused these settings.', OPIS_EBUSY: 'The server is busy. Try again later.', OPIS_ETIMEOUT: 'There was not enough time.', OPIS_EAUTH: 'The server refused the key.',
    network: 'The connection to the server broke.', other: 'It did not work.',
  },
};

const languages = { ru, en };
let current = 'ru';

export const word = (name, ...values) => {
  const w = languages[current][name];
  return typeof w === 'function' ? w(...values) : w;
};
export const errorWord = (code) => languages[current].errors[code] || languages[current].errors.other;
export const language = () => current;

export function choose(wanted) {
  current = languages[wanted] ? wanted : 'en';
  document.documentElement.lang = current;
  for (const e of document.querySelectorAll('[data-word]')) e.textContent = word(e.dataset.word);
  for (const e of document.querySelectorAll('[data-label]')) e.setAttribute('aria-label', word(e.dataset.label));
  for (const e of document.querySelectorAll('[data-placeholder]')) e.placeholder = word(e.dataset.placeholder);
  for (const e of document.querySelectorAll('[data-language]')) e.setAttribute('aria-pressed', String(e.dataset.language === current));
}

/* Russian for who reads Russian or a neighbouring language; English for the others. */
export function preferred() {
  try {
    const stored = localStorage.getItem('opis.language');
    if (languages[stored]) return stored;
  } catch { /* storage may be forbidden */ }
  const first = (navigator.languages || [navigator.language || 'en']).map((l) => l.slice(0, 2)).find((l) => ['ru', 'be', 'uk', 'kk', 'en'].includes(l));
  return first && first !== 'en' ? 'ru' : 'en';
}
