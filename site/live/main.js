// Finds the places for live parts in a page, and starts each: <div class="live" data-live="NAME"> runs ./NAME.js.
import { json } from "./model.js";
import { h } from "./show.js";

async function start(place, built) {
  const name = place.dataset.live;
  if (!(name in built)) return; // a page built without it: its text stays
  const fallback = [...place.childNodes];
  try {
    const part = await import(new URL(`${name}.js`, import.meta.url).href);
    place.replaceChildren();
    await part.default(place, built[name]);
  } catch (error) {
    place.replaceChildren(
      ...fallback,
      h("p", { class: "live-error" }, `It did not start: ${error.message}.`),
    );
    console.error(error);
  }
}

const places = [...document.querySelectorAll(".live[data-live]")];
if (places.length) {
  // parts.json: {name: megabytes to fetch} of the parts this page was built with
  const built = await json(new URL("parts.json", import.meta.url));
  for (const place of places) start(place, built);
}
