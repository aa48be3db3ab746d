// Lesson 07: a sampler yields row numbers, and a loader puts them into batches; one step is one row.
import { choice, field, h, status } from "./show.js";

const ROWS = 20;
const rows = [...Array(ROWS).keys()];
const random = (n) => Math.floor(Math.random() * n);
const samplers = {
  sequential: () => rows,
  random: () => {
    const order = [...rows];
    for (let n = ROWS - 1; n > 0; n--) {
      const other = random(n + 1); // swap row n with one that has not been placed yet
      [order[n], order[other]] = [order[other], order[n]];
    }
    return order;
  },
  repeats: () => rows.map(() => random(ROWS)),
};

export default function (place) {
  const [sampler, samplerChoice] = choice("sampler", Object.keys(samplers), () => restart());
  const [size, batchSize] = field("batch_size", "range", { min: 2, max: 10, value: 6 });
  const button = (text, onclick) => h("button", { type: "button", onclick }, text);
  const next = button("Next row", () => step());
  const play = button("Play", () => (timer ? pause() : start()));
  const all = button("All rows", () => finish());
  const again = button("New epoch", () => restart());
  const line = status();
  const source = h("ol", { class: "live-rows", "aria-label": "rows of the data set" });
  const batches = h("ol", { class: "live-batches", start: 0, "aria-label": "batches" });
  let order;
  let done;
  let timer;

  function draw() {
    const seen = order.slice(0, done);
    const count = (row) => seen.filter((other) => other === row).length;
    const box = (row) => {
      const kind = count(row) > 1 ? "repeated" : count(row) ? "taken" : "";
      return h("li", { class: kind }, String(row));
    };
    source.replaceChildren(...rows.map(box));
    const lines = [];
    for (let at = 0; at < done; at += Number(size.value)) {
      const batch = seen.slice(at, at + Number(size.value));
      const name = `batch ${lines.length}`;
      lines.push(
        h(
          "li",
          {},
          h("span", {}, name),
          h("ol", { class: "live-rows", "aria-label": name }, ...batch.map(box)),
        ),
      );
    }
    batches.replaceChildren(...lines);
    next.disabled = play.disabled = all.disabled = done === ROWS;
    const repeated = rows.filter((row) => count(row) > 1).join(", ") || "none";
    const never = rows.filter((row) => !count(row)).join(", ") || "none";
    if (done === ROWS)
      line.replaceChildren(`The epoch is over. More than once: ${repeated}; never: ${never}.`);
    else if (!done) line.replaceChildren("Press Next row: the sampler yields a row number.");
    else if (!timer)
      line.replaceChildren(
        `The sampler yields row ${order[done - 1]}; it goes into batch ${lines.length - 1}.`,
      );
  }
  function step() {
    done = Math.min(ROWS, done + 1);
    if (done === ROWS) pause();
    draw();
  }
  function start() {
    timer = setInterval(step, 400);
    play.replaceChildren("Pause");
    line.replaceChildren("");
  }
  function pause() {
    clearInterval(timer);
    timer = undefined;
    play.replaceChildren("Play");
  }
  function finish() {
    pause();
    done = ROWS;
    draw();
  }
  function restart() {
    pause();
    order = samplers[sampler()]();
    done = 0;
    draw();
  }
  size.addEventListener("input", () => restart());
  place.append(
    samplerChoice,
    batchSize,
    h("p", { class: "live-buttons" }, next, play, all, again),
    line,
    source,
    batches,
  );
  restart();
}
