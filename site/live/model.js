// Loads a network that site/export.py has exported, with its tokenizer, and asks it.

const VENDOR = new URL("./vendor/", import.meta.url);
const RUNTIME = "ort-wasm-simd-threaded.wasm";
const once = new Map(); // promises by address: a page fetches nothing twice

/** Remember what `make` promises for `key`; forget it when it fails, so that it can be tried again. */
function remember(key, make) {
  if (!once.has(key)) {
    const promise = make();
    promise.catch(() => once.delete(key));
    once.set(key, promise);
  }
  return once.get(key);
}

/** Fetch a file, which may be gzipped whatever its name; `seen` is told of each piece's bytes. */
export async function bytes(address, seen = () => {}) {
  const response = await fetch(address);
  if (!response.ok) throw new Error(`${address} was not found (status ${response.status})`);
  const pieces = [];
  const reader = response.body.getReader();
  for (let step = await reader.read(); !step.done; step = await reader.read()) {
    pieces.push(step.value);
    seen(step.value.length);
  }
  const gzipped = pieces[0]?.[0] === 0x1f && pieces[0][1] === 0x8b;
  const stream = new Blob(pieces).stream();
  const whole = gzipped ? stream.pipeThrough(new DecompressionStream("gzip")) : stream;
  return new Uint8Array(await new Response(whole).arrayBuffer());
}

export const json = (address) =>
  remember(address.href, async () => JSON.parse(new TextDecoder().decode(await bytes(address))));

/** onnxruntime; where the page is cross-origin isolated, it takes half the cores, at most four, else one thread. */
const runtime = (seen) =>
  remember(RUNTIME, async () => {
    const ort = await import(new URL("ort.wasm.min.mjs", VENDOR).href);
    ort.env.wasm.wasmPaths = VENDOR.href;
    ort.env.wasm.wasmBinary = await bytes(new URL(RUNTIME, VENDOR), seen);
    return ort;
  });

/** The tokenizer in the folder `base`: `encode(text, max)` gives `{ids, tokens}`, cut to `max` tokens in all. */
export const loadTokenizer = (base) =>
  remember(`tokenizer of ${base.href}`, async () => {
    const { Tokenizer } = await import(new URL("tokenizers.min.mjs", VENDOR).href);
    const file = (name) => json(new URL(name, base));
    const about = await file("model.json");
    const tokenizer = new Tokenizer(await file("tokenizer.json"), await file("tokenizer_config.json"));
    const around = tokenizer.encode("").ids; // [CLS] [SEP]
    const first = tokenizer.encode("a").ids;
    const before = around.findIndex((id, n) => id !== first[n]);
    const after = before < 0 ? 0 : around.length - before; // special tokens at the end, which stay when a text is cut
    const encode = (text, max = about.max_length) => {
      const { ids, tokens } = tokenizer.encode(text);
      if (ids.length <= max) return { ids, tokens };
      const cut = (list) => [...list.slice(0, max - after), ...list.slice(list.length - after)];
      return { ids: cut(ids), tokens: cut(tokens) };
    };
    return { encode, special: new Set(about.special_ids), about, token: (id) => tokenizer.id_to_token(id) };
  });

const softmax = (logits) => {
  const highest = logits.reduce((a, b) => Math.max(a, b));
  const powers = Array.from(logits, (logit) => Math.exp(logit - highest));
  const sum = powers.reduce((a, b) => a + b);
  return powers.map((power) => power / sum);
};
const sigmoid = (logits) => Array.from(logits, (logit) => 1 / (1 + Math.exp(-logit)));

/**
 * Load the network in the folder `base` (a URL that ends in a slash).
 *
 * `progress` is told the share that has come, from 0 to 1. The network returned has
 *   labels             the names of its classes, if it is a classifier
 *   encode(text)       {ids, tokens}
 *   run(ids, more)     its outputs by name, each {data, dims}; `more` are further inputs
 *   classify(texts)    for each text the probabilities, in the order of `labels`
 */
export function load(base, progress = () => {}) {
  return remember(base.href, async () => {
    if (typeof WebAssembly !== "object") throw new Error("it has no WebAssembly");
    const about = await json(new URL("model.json", base));
    const sizes = await json(new URL("sizes.json", VENDOR));
    const total = about.bytes + sizes[RUNTIME];
    let sum = 0;
    const seen = (count) => {
      sum += count;
      progress(Math.min(1, sum / total));
    };
    if (once.has(RUNTIME)) seen(sizes[RUNTIME]);
    const [ort, weights, tokenizer] = await Promise.all([
      runtime(seen),
      bytes(new URL("model.onnx", base), seen),
      loadTokenizer(base),
    ]);
    // have the integers multiplied by their scales now, not at every question
    const session = await ort.InferenceSession.create(weights, {
      extra: { session: { disable_quant_qdq: "1" } },
    });
    const row = (ids) => new ort.Tensor("int64", BigInt64Array.from(ids, BigInt), [1, ids.length]);
    let last = Promise.resolve(); // a session answers one question at a time
    const run = (ids, more = {}) => {
      const inputs = { input_ids: row(ids) };
      for (const [name, numbers] of Object.entries(more)) inputs[name] = row(numbers);
      const answer = last.then(() => session.run(inputs));
      last = answer.catch(() => {});
      return answer;
    };
    const activation = about.activation === "sigmoid" ? sigmoid : softmax;
    const classify = async (texts) => {
      const answers = [];
      for (const text of texts) {
        const { logits } = await run(tokenizer.encode(text).ids);
        answers.push(activation(logits.data));
      }
      return answers;
    };
    return { ...tokenizer, labels: about.labels, run, classify };
  });
}

export { softmax };
