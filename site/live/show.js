// What the live parts are put together from: elements, boxes of tokens, bars, fields.

/** Make an element; `properties` with a dash, class, for, role and style are attributes. */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.includes("-") || ["class", "for", "role", "style"].includes(name))
      element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children);
  return element;
}

/** A labelled field, `field("sentence", "text", { value: "…" })`: returns the input, and the label around it. */
export function field(label, type, properties = {}) {
  const input = h("input", { type, ...properties });
  if (type === "text") Object.assign(input, { autocomplete: "off", spellcheck: false, maxLength: 2000 });
  const text = h("span", {}, label);
  const shown = type === "range" ? [h("output", {}, input.value)] : [];
  input.addEventListener("input", () => shown[0]?.replaceChildren(input.value));
  return [
    input,
    h(
      "label",
      { class: `live-field live-${type}` },
      ...(type === "checkbox" ? [input, text] : [text, input]),
      ...shown,
    ),
  ];
}

/** Radio buttons, of which one is chosen. Returns a function that says which, and the element. */
export function choice(legend, options, changed) {
  const name = `live-${Math.random()}`;
  const radios = options.map((value, n) => h("input", { type: "radio", name, value, checked: n === 0 }));
  const labels = radios.map((radio) => h("label", {}, radio, radio.value));
  const element = h("fieldset", { class: "live-choice" }, h("legend", {}, legend), ...labels);
  element.addEventListener("change", changed);
  return [() => radios.find((radio) => radio.checked).value, element];
}

/** A line that screen readers read out when it changes. */
export const status = () => h("output", { class: "live-status", role: "status" });

/**
 * Boxes of tokens, like the notebooks' `show.tokens`: special tokens filled, masked-out ones dashed. With `weights`,
 * a box shows its weight instead of its id: the larger, the bluer.
 */
export function tokens(names, ids, { special = new Set(), mask, weights, make = () => h("li") } = {}) {
  const highest = weights && Math.max(...weights);
  const boxes = names.map((name, n) => {
    const box = make(n);
    box.append(h("b", {}, name), h("small", {}, weights ? weights[n].toFixed(2) : String(ids[n])));
    if (weights) {
      const blue = weights[n] / highest; // from white to blue
      const channel = (low) => Math.round(255 - (255 - low) * blue);
      box.style.background = `rgb(${channel(0)}, ${channel(114)}, ${channel(178)})`;
      box.style.color = blue > 0.93 ? "#fff" : "#000"; // whichever is easier to read
    } else if (mask && !mask[n]) box.classList.add("masked");
    else if (special.has(ids[n])) box.classList.add("special");
    return box.tagName === "LI" ? box : h("li", {}, box);
  });
  return h("ol", { class: "live-tokens" }, ...boxes);
}

/** Bars with a name and a number each, like the notebooks' `show.guesses`. */
export function bars(names, probabilities) {
  const rows = names.map((name, n) => {
    const percent = `${Math.round(100 * probabilities[n])}%`;
    const bar = h("span", { class: "live-bar", style: `inline-size: ${100 * probabilities[n]}%` });
    return h(
      "tr",
      {},
      h("th", { scope: "row" }, name),
      h("td", {}, percent),
      h("td", { "aria-hidden": "true" }, bar),
    );
  });
  return h("table", { class: "live-bars" }, h("tbody", {}, ...rows));
}

/** A button that fetches what a part needs when it is pressed, with a progress bar; then `build` fills the place. */
export function onDemand(place, { what, megabytes, load, build }) {
  const button = h("button", { type: "button" }, `${what} (${megabytes} MB)`);
  const bar = h("progress", { max: 1, value: 0, "aria-label": "loading" });
  const line = status();
  button.onclick = async () => {
    button.disabled = true;
    line.replaceChildren("Loading …");
    place.append(bar);
    try {
      const loaded = await load((share) => {
        bar.value = share;
        if (share === 1) line.replaceChildren("Starting …");
      });
      place.replaceChildren();
      await build(loaded);
      // who went on reading meanwhile, or typing elsewhere, is not brought back
      if ([document.body, null].includes(document.activeElement))
        place.querySelector("input")?.focus({ preventScroll: true });
    } catch (error) {
      bar.remove();
      button.disabled = false;
      line.replaceChildren(`It did not start in this browser: ${error.message}. You can try again.`);
      console.error(error);
    }
  };
  place.append(button, line);
}

/** Call `work` a moment after the last of several calls, and drop an answer that comes after a newer question. */
export function latest(milliseconds, work) {
  let number = 0;
  return async (...question) => {
    const own = ++number;
    await new Promise((resolve) => setTimeout(resolve, milliseconds));
    if (own === number) await work(() => own === number, ...question);
  };
}
