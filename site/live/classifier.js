// Lesson 10: the classifier of my_work, asked the sentences of lesson 08's last table, and what is typed.
import { json, load } from "./model.js";
import { bars, field, h, latest, onDemand, status } from "./show.js";

const BASE = new URL("./model/classifier/", import.meta.url);

export default function (place, megabytes) {
  const build = async (network) => {
    const { name, sentences } = await json(new URL("sentences.json", BASE));
    const [box, sentence] = field("sentence", "text", { value: "We must stop burning coal." });
    const line = status();
    const result = h("div", { class: "live-result" });
    const update = latest(150, async (current) => {
      const [probabilities] = await network.classify([box.value]);
      if (!current()) return;
      const best = network.labels[probabilities.indexOf(Math.max(...probabilities))];
      line.replaceChildren(`Answer: ${best}`);
      result.replaceChildren(bars(network.labels, probabilities));
    });
    box.addEventListener("input", update);

    const head = ["sentence", "expected", "lesson 08 answered", `${name} answers`];
    const body = h("tbody");
    const table = h(
      "table",
      { class: "live-table" },
      h("thead", {}, h("tr", {}, ...head.map((title) => h("th", { scope: "col" }, title)))),
      body,
    );
    place.append(
      sentence,
      line,
      result,
      h("div", { class: "live-scroll", tabIndex: 0, role: "region", "aria-label": "answers" }, table),
    );
    await update();
    for (const { text, expected, before } of sentences) {
      const [probabilities] = await network.classify([text]);
      const highest = Math.max(...probabilities);
      const now = {
        answer: network.labels[probabilities.indexOf(highest)],
        sure: `${Math.round(100 * highest)}%`,
      };
      const cell = ({ answer, sure }) =>
        h("td", {}, `${answer} ${sure}${answer === expected ? "" : " ✗ wrong"}`);
      body.append(
        h("tr", {}, h("th", { scope: "row" }, text), h("td", {}, expected), cell(before), cell(now)),
      );
    }
  };
  onDemand(place, {
    what: "Load the classifier",
    megabytes,
    load: (progress) => load(BASE, progress),
    build,
  });
}
