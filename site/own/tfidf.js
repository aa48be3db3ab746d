// Counts words as scikit-learn's TfidfVectorizer does, and asks the linear classifier behind it.
import { softmax } from "./model.js";

// what Python calls a space in a text, which is not quite what JavaScript does
const SPACE = "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
const SPACES = new RegExp(`[${SPACE}]+`, "u");
const TWO_SPACES = new RegExp(`[${SPACE}]{2,}`, "gu");
const NOT_ASCII = /\P{ASCII}/gu;

function plain(text, { lowercase, accents, marks }) {
  if (lowercase) text = text.toLowerCase();
  if (!accents || text.search(NOT_ASCII) < 0) return text;
  return text.normalize("NFKD").replace(accents === "ascii" ? NOT_ASCII : new RegExp(marks, "gu"), "");
}

/** All runs of n pieces of a list. */
function* runs(list, n, join) {
  for (let start = 0; start + n <= list.length; start++) yield join(list.slice(start, start + n));
}

function* words(text, { pattern, ngrams: [from, to], stop }) {
  const found = Array.from(text.matchAll(new RegExp(pattern, "gu")), (match) => match[1] ?? match[0]);
  const kept = stop ? found.filter((word) => !stop.includes(word)) : found;
  for (let n = from; n <= Math.min(to, kept.length); n++) yield* runs(kept, n, (part) => part.join(" "));
}

const letters = (part) => part.join("");

function* char(text, { ngrams: [from, to] }) {
  const all = [...text.replace(TWO_SPACES, " ")];
  for (let n = from; n <= Math.min(to, all.length); n++) yield* runs(all, n, letters);
}

function* char_wb(text, { ngrams: [from, to] }) {
  for (const word of text.split(SPACES).filter(Boolean)) {
    const all = [" ", ...word, " "];
    for (let n = from; n <= to; n++) {
      if (n < all.length) yield* runs(all, n, letters);
      else {
        yield letters(all); // a short word counts once
        break;
      }
    }
  }
}

const ANALYZERS = { word: words, char, char_wb };

/**
 * A function from a text to probabilities, in the order of `about.labels`.
 *
 * `about` is words.json as own_page.py writes it. `weights` is words.bin as a Float32Array: for each term its idf and one
 * weight for each class; after the last term the intercepts.
 */
export function wordCounts(about, weights) {
  const { terms, labels, options } = about;
  const numbers = new Map(terms.map((term, n) => [term, n]));
  const width = 1 + labels.length;
  const intercepts = weights.subarray(terms.length * width);

  return (text) => {
    const counts = new Map();
    for (const term of ANALYZERS[options.analyzer](plain(text, options), options)) {
      const n = numbers.get(term);
      if (n !== undefined) counts.set(n, options.binary ? 1 : (counts.get(n) ?? 0) + 1);
    }
    const values = [];
    for (const [n, count] of counts)
      values.push([n, (options.sublinear ? 1 + Math.log(count) : count) * weights[n * width]]);
    let length = 1; // no norm, or no term that is known
    if (options.norm === "l1") length = values.reduce((sum, [, value]) => sum + Math.abs(value), 0) || 1;
    if (options.norm === "l2")
      length = Math.sqrt(values.reduce((sum, [, value]) => sum + value * value, 0)) || 1;
    const logits = Float64Array.from(intercepts);
    for (const [n, value] of values)
      for (let c = 0; c < labels.length; c++) logits[c] += (value / length) * weights[n * width + 1 + c];
    return softmax(logits);
  };
}
