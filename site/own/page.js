// One page for one classifier: a text is typed, its classes and their probabilities are shown.
import { bytes, json, load } from "./model.js";
import { bars, h, latest } from "./show.js";
import { wordCounts } from "./tfidf.js";

const SHOWN = 8; // classes
const FOLDED = 200; // more classes, folded away
const about = JSON.parse(document.getElementById("about").textContent);
const [form, text, button, progress, line, answer] = [
  "ask",
  "text",
  "classify",
  "progress",
  "line",
  "answer",
].map((id) => document.getElementById(id));

/** One part: {labels, ask(text), cut(text)}; cut says how many tokens it reads, if the text has more. */
async function part({ kind, folder }, seen) {
  const base = new URL(folder, import.meta.url);
  if (kind === "network") {
    const { labels, classify, encode, about } = await load(base, seen);
    const cut = (text) =>
      encode(text, Number.POSITIVE_INFINITY).ids.length > about.max_length && about.max_length;
    return { labels, ask: async (text) => (await classify([text]))[0], cut };
  }
  const model = await json(new URL("words.json", base));
  const ask = wordCounts(model, new Float32Array((await bytes(new URL("words.bin", base))).buffer));
  seen(1);
  return { labels: model.labels, ask, cut: () => false };
}

/** Load all parts. Returns a function from a text to {probabilities, cut}: the mean over the parts, class by class. */
async function loadAll(seen) {
  const shares = about.parts.map(() => 0);
  const weight = (numbers) => numbers.reduce((sum, share, n) => sum + share * about.parts[n].bytes, 0);
  const total = weight(about.parts.map(() => 1));
  const parts = await Promise.all(
    about.parts.map((one, n) =>
      part(one, (share) => {
        shares[n] = share;
        seen(weight(shares) / total);
      }),
    ),
  );
  return async (text) => {
    const sums = about.classes.map(() => 0);
    for (const { labels, ask } of parts) {
      const probabilities = await ask(text);
      labels.forEach((label, n) => {
        const place = about.classes.indexOf(label);
        if (place >= 0) sums[place] += probabilities[n] / parts.length;
      });
    }
    return { probabilities: sums, cut: parts.map(({ cut }) => cut(text)).find(Boolean) };
  };
}

let loading;
/** The classifier, loaded when it is first asked for. */
export function model() {
  loading ??= loadAll((share) => {
    progress.value = share;
  });
  return loading;
}

/** The best classes as bars, and all others folded away. */
function show(probabilities) {
  const order = [...probabilities.keys()].sort((a, b) => probabilities[b] - probabilities[a]);
  const table = (some) =>
    bars(
      some.map((n) => about.classes[n]),
      some.map((n) => probabilities[n]),
    );
  answer.replaceChildren(table(order.slice(0, SHOWN)));
  const others = order.slice(SHOWN, SHOWN + FOLDED);
  if (others.length)
    answer.append(h("details", {}, h("summary", {}, `The next ${others.length} classes`), table(others)));
  return order[0];
}

async function classify(current = () => true) {
  const asked = text.value;
  if (!asked.trim()) {
    answer.replaceChildren();
    line.replaceChildren("Type a text first.");
    return;
  }
  const { probabilities, cut } = await (await model())(asked);
  if (!current()) return;
  const best = show(probabilities);
  const sure = `${Math.round(100 * probabilities[best])}%`;
  const note = cut ? ` It is long: the network read only its first ${cut} tokens.` : "";
  line.replaceChildren(h("bdi", {}, about.classes[best]), `, ${sure}.${note}`);
}

async function start(event) {
  event?.preventDefault();
  if (!loading && text.value.trim()) {
    button.disabled = true;
    progress.hidden = false;
    line.replaceChildren("Loading the classifier …");
    try {
      await model();
      button.replaceChildren("Classify");
    } catch (error) {
      loading = undefined; // the next press tries again
      line.replaceChildren(`It did not start in this browser: ${error.message}. You can try again.`);
      console.error(error);
      return;
    } finally {
      button.disabled = false;
      progress.hidden = true;
    }
  }
  await classify();
}

form.addEventListener("submit", start);
// once it is there, it answers while you type
text.addEventListener(
  "input",
  latest(250, async (current) => loading && (await classify(current))),
);
text.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) start(event);
});
document.getElementById("unserved").remove();
form.hidden = false;
