// Lesson 04: type a text and see its tokens and their ids.
import { BASE } from "./bert.js";
import { loadTokenizer } from "./model.js";
import { field, onDemand, status, tokens } from "./show.js";

export default function (place, megabytes) {
  const build = ({ encode, special }) => {
    const [box, label] = field("text", "text", { value: "It's unseasonably warm in Reykjavík😕" });
    const line = status();
    const update = () => {
      const encoded = encode(box.value);
      const unknown = encoded.tokens.filter((token) => token === "[UNK]").length;
      line.replaceChildren(`${encoded.ids.length} tokens${unknown ? `, ${unknown} of them [UNK]` : ""}`);
      place.querySelector(".live-tokens")?.remove();
      place.append(tokens(encoded.tokens, encoded.ids, { special }));
    };
    place.append(label, line);
    box.addEventListener("input", update);
    update();
  };
  onDemand(place, { what: "Load the tokenizer", megabytes, load: () => loadTokenizer(BASE), build });
}
