/* Where the model looked: tokens are matched to the words of the description, and a word's weights dim all of the picture but what it was about. */

/* [{text, weights or null}] for the description's words; tokens may be parts of words. */
export function wordsOf(description, attention) {
  const words = [];
  for (const m of description.matchAll(/\S+/gu)) words.push({ text: m[0], from: m.index, to: m.index + m[0].length, sums: null, n: 0 });
  if (!attention) return words;
  let at = 0;
  for (const token of attention.tokens) {
    const text = token.text.trim().replace(/^##/u, '');
    if (!text) continue;
    const found = description.indexOf(text, at);
    if (found < 0 || found > at + 2) continue;
    at = found + text.length;
    const w = words.find((x) => found < x.to && at > x.from);
    if (!w || !token.weights) continue;
    w.sums = w.sums ? w.sums.map((s, i) => s + token.weights[i]) : [...token.weights];
    w.n += 1;
  }
  return words;
}

export function draw(canvas, picture, weights, width, height) {
  const scale = Math.min(1, 640 / Math.max(picture.naturalWidth, 1));
  canvas.width = Math.max(1, Math.round(picture.naturalWidth * scale));
  canvas.height = Math.max(1, Math.round(picture.naturalHeight * scale));
  const least = Math.min(...weights), most = Math.max(...weights), range = most - least || 1;
  const small = document.createElement('canvas');
  small.width = width;
  small.height = height;
  const c = small.getContext('2d'), pixels = c.createImageData(width, height);
  weights.forEach((weight, i) => {
    const v = ((weight - least) / range) ** 1.1;
    pixels.data[4 * i] = 12 + 220 * v * v;
    pixels.data[4 * i + 1] = 12 + 130 * v * v;
    pixels.data[4 * i + 2] = 22;
    pixels.data[4 * i + 3] = 255 * (v < 0.8 ? 0.8 * (1 - v) : 0.16 + (v - 0.8) * 0.5);
  });
  c.putImageData(pixels, 0, 0);
  const target = canvas.getContext('2d');
  target.imageSmoothingEnabled = true;
  target.imageSmoothingQuality = 'high';
  target.drawImage(small, 0, 0, canvas.width, canvas.height);
}
