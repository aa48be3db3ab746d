// Lesson 05: pad, cut and mask a tweet. The similarities come from the lesson's own cells, run when the page was built.
import { json } from "./model.js";
import { choice, field, h, status, tokens } from "./show.js";

/** Keras's pad_sequences for one row: pad or cut on one side. */
export function pad(ids, length, side, value) {
  if (ids.length >= length) return side === "pre" ? ids.slice(ids.length - length) : ids.slice(0, length);
  const padding = Array(length - ids.length).fill(value);
  return side === "pre" ? [...padding, ...ids] : [...ids, ...padding];
}

export default async function (place) {
  const tweet = await json(new URL("./model/padding/tweet.json", import.meta.url));
  const { min, max, value } = tweet.max_len;
  const [slider, length] = field("max_len", "range", { min, max, value });
  const [side, sides] = choice("side", ["post", "pre"], () => update());
  const [mask, masked] = field("mask", "checkbox", { checked: true });
  const line = status();
  const result = h("div", { class: "live-result" });

  function update() {
    const size = Number(slider.value);
    const ids = pad(tweet.ids, size, side(), tweet.pad.id);
    const names = pad(tweet.tokens, size, side(), tweet.pad.token);
    const ones = pad(
      tweet.ids.map(() => 1),
      size,
      side(),
      0,
    );
    const similarity = tweet.similarity[side()][mask.checked ? "mask" : "no mask"][size - min];
    line.replaceChildren(`similarity to the unpadded tweet: ${similarity.toFixed(3)}`);
    const special = new Set(tweet.special_ids);
    result.replaceChildren(tokens(names, ids, { special, mask: mask.checked ? ones : undefined }));
  }
  for (const control of [slider, mask]) control.addEventListener("input", update);
  place.append(length, sides, masked, line, result);
  update();
}
