/* Runs before the first paint, so that a dark page is never light for a moment: the theme chosen here before, else the system's. */
(() => {
  let stored = null;
  try { stored = localStorage.getItem('opis.theme'); } catch { /* as the system says */ }
  document.documentElement.dataset.theme = stored || (window.matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light');
})();
