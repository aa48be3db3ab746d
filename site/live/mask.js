// Lesson 01 and the front page: hide a word, and see what BERT guesses.
import { loadBert, MASK } from "./bert.js";
import { bars, field, h, latest, onDemand, status } from "./show.js";

export default function (place, megabytes) {
  const build = (bert) => {
    const [box, sentence] = field("text", "text", { value: `The baker sells fresh ${MASK}.` });
    const [slider, guesses] = field("k", "range", { min: 1, max: 10, value: 5 });
    const insert = h("button", { type: "button" }, `Insert ${MASK}`);
    const line = status();
    const result = h("div", { class: "live-result" });

    const update = latest(150, async (current) => {
      if (box.value.split(MASK).length !== 2) {
        line.replaceChildren(`The sentence needs one ${MASK}.`);
        return result.replaceChildren();
      }
      const started = performance.now();
      const { words, probabilities } = await bert.guess(box.value, Number(slider.value));
      if (!current()) return;
      if (!words.length) {
        line.replaceChildren(`The sentence is too long: BERT does not read as far as ${MASK}.`);
        return result.replaceChildren();
      }
      line.replaceChildren(`Best guess: ${words[0]} (${Math.round(performance.now() - started)} ms)`);
      result.replaceChildren(bars(words, probabilities));
    });

    insert.onclick = () => {
      box.value = box.value.replaceAll(MASK, "");
      box.setRangeText(MASK, box.selectionStart, box.selectionEnd, "end");
      box.focus();
      update();
    };
    for (const control of [box, slider]) control.addEventListener("input", update);
    place.append(sentence, insert, guesses, line, result);
    return update();
  };
  onDemand(place, { what: "Load BERT", megabytes, load: loadBert, build });
}
