// Lesson 01: which tokens does a token attend to?
import { loadBert, MASK } from "./bert.js";
import { field, h, latest, onDemand, status, tokens } from "./show.js";

export default function (place, megabytes) {
  const build = (bert) => {
    const [box, sentence] = field("text", "text", { value: `My mother drinks her ${MASK} in the morning.` });
    const line = status();
    const result = h("div", { class: "live-result" });
    let seen;

    /** Show how much token n attends to each token; every box is a button that asks about its own token. */
    const show = (n) => {
      line.replaceChildren(
        `What ${seen.tokens[n]} attends to. Press any token to see what that one attends to.`,
      );
      const make = (i) => {
        const press = () => {
          show(i);
          result.querySelectorAll("button")[i].focus();
        };
        return h("button", { type: "button", "aria-pressed": String(i === n), onclick: press });
      };
      result.replaceChildren(tokens(seen.tokens, seen.ids, { weights: seen.weights[n], make }));
    };

    const update = latest(150, async (current) => {
      const answer = await bert.attention(box.value);
      if (!current()) return;
      seen = answer;
      show(Math.max(0, seen.tokens.indexOf(MASK)));
    });
    box.addEventListener("input", update);
    place.append(sentence, line, result);
    return update();
  };
  onDemand(place, { what: "Load BERT", megabytes, load: loadBert, build });
}
