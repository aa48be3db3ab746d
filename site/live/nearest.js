// Lesson 00: the tweets nearest in meaning to what is typed, beside a plain word search.
import { loadBert } from "./bert.js";
import { json } from "./model.js";
import { field, h, latest, onDemand, status } from "./show.js";

const DATA = new URL("./model/nearest/", import.meta.url);

async function load(progress) {
  const [bert, tweets, file] = await Promise.all([
    loadBert(progress),
    json(new URL("tweets.json", DATA)),
    fetch(new URL("vectors.bin", DATA)),
  ]);
  return { bert, tweets, vectors: new Int8Array(await file.arrayBuffer()) };
}

/** The numbers of the four highest scores, highest first. */
const topFour = (scores) => [...scores.keys()].sort((a, b) => scores[b] - scores[a]).slice(0, 4);

function column(title, items) {
  return h("section", {}, h("h4", {}, title), h("ol", {}, ...items.map((item) => h("li", {}, item))));
}

export default function (place, megabytes) {
  const build = ({ bert, tweets, vectors }) => {
    const { texts, scales, stop_words } = tweets;
    const stop = new Set(stop_words);
    const words = (text) => new Set(text.toLowerCase().match(/[\p{L}\p{N}_]+/gu));
    const wordsOf = texts.map(words);
    const [box, sentence] = field("sentence", "text", { value: "People lose their homes to the sea" });
    const line = status();
    const result = h("div", { class: "live-result live-columns" });

    const update = latest(150, async (current) => {
      const vector = await bert.vector(box.value);
      if (!current()) return;
      // a cosine similarity: both vectors have length 1; the tweets' numbers are stored as whole numbers times a scale
      const meaning = scales.map((scale, n) => {
        const own = vectors.subarray(n * vector.length, (n + 1) * vector.length);
        return scale * own.reduce((sum, value, i) => sum + value * vector[i], 0);
      });
      const asked = [...words(box.value)].filter((word) => !stop.has(word));
      const shared = wordsOf.map((own) => asked.filter((word) => own.has(word)).length);
      const found = shared.filter((count) => count > 0).length;
      line.replaceChildren(`${found} of ${texts.length} tweets share a word with the sentence`);
      result.replaceChildren(
        column(
          "nearest in meaning",
          topFour(meaning).map((n) => `${texts[n]} (${meaning[n].toFixed(2)})`),
        ),
        column(
          "most words in common",
          topFour(shared).map((n) => (shared[n] ? texts[n] : "–")),
        ),
      );
    });
    box.addEventListener("input", update);
    place.append(sentence, line, result);
    return update();
  };
  onDemand(place, { what: "Load BERT and the tweets", megabytes, load, build });
}
