// The course's BERT in the page: guesses for [MASK], attention, and the vector of a text.
import { load, softmax } from "./model.js";

export const BASE = new URL("./model/bert/", import.meta.url);
export const MASK = "[MASK]";

/**
 * Load BERT. It answers
 *   guess(text, k)    the k best tokens for the first [MASK], and their probabilities; none if it does not read that far
 *   attention(text)   {tokens, ids, weights}: weights[i][j] says how much token i attends to token j in the last layer
 *   vector(text)      the mean of the last hidden vectors, of length 1
 */
export async function loadBert(progress) {
  const bert = await load(BASE, progress);
  const ask = (ids, position = 0) => bert.run(ids, { position: [position] });

  async function guess(text, k) {
    const { ids, tokens } = bert.encode(text);
    const at = tokens.indexOf(MASK);
    if (at < 0) return { words: [], probabilities: [] };
    const { logits } = await ask(ids, at);
    const probabilities = softmax(logits.data);
    const best = [...probabilities.keys()].sort((a, b) => probabilities[b] - probabilities[a]).slice(0, k);
    return { words: best.map(bert.token), probabilities: best.map((id) => probabilities[id]) };
  }

  async function attention(text) {
    const { ids, tokens } = bert.encode(text);
    const { data } = (await ask(ids)).attention;
    const weights = ids.map((_, n) => [...data.slice(n * ids.length, (n + 1) * ids.length)]);
    return { tokens, ids, weights };
  }

  async function vector(text) {
    const { data } = (await ask(bert.encode(text).ids)).vector;
    const length = Math.hypot(...data);
    return data.map((value) => value / length);
  }

  return { guess, attention, vector };
}
