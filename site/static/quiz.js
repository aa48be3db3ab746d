// The questions at a lesson's end: each answer becomes a button that shows its explanation. What was answered is kept in
// this browser's storage only; the page "Your progress" shows it, saves it as a file, and reads such a file.

const KEY = "transfer-learning-hands-on";

/** What has been answered: question -> { answer, right }. Empty where the browser keeps nothing. */
function recorded() {
  try {
    const found = JSON.parse(localStorage.getItem(KEY));
    return found && typeof found === "object" && !Array.isArray(found) ? found : {};
  } catch {
    return {};
  }
}

/** Keep the answers; false where the browser does not let us. */
function keep(answers) {
  try {
    localStorage.setItem(KEY, JSON.stringify(answers));
    return true;
  } catch {
    return false;
  }
}

function element(name, properties, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

/** Put buttons in place of a question's folded explanations. */
function makeQuiz(box) {
  const question = box.dataset.question;
  const list = element("ul", { className: "answers" });
  const entries = [...box.querySelectorAll("details")].map((details, n) => {
    const summary = details.querySelector("summary");
    const button = element("button", { type: "button" });
    button.append(...summary.childNodes);
    summary.remove();
    const why = element("p", { id: `why-${question}-${n}`, hidden: true });
    why.append(...details.childNodes);
    const right = why.textContent.trim().startsWith("Yes");
    button.setAttribute("aria-expanded", "false");
    button.setAttribute("aria-controls", why.id);
    list.append(element("li", {}, button, why));
    details.remove();
    return { button, why, right };
  });
  const choose = (n) => {
    entries.forEach(({ button, why, right }, other) => {
      why.hidden = other !== n;
      button.setAttribute("aria-expanded", String(other === n));
      button.className = other === n ? (right ? "right" : "wrong") : "";
    });
  };
  entries.forEach(({ button, right }, n) => {
    button.addEventListener("click", () => {
      choose(n);
      keep({ ...recorded(), [question]: { answer: n, right } });
    });
  });
  const before = recorded()[question]?.answer;
  if (before in entries) choose(before);
  box.append(list);
}

/** Count a lesson's right answers and show them in the table. */
function showProgress(box) {
  const answers = recorded();
  for (const row of box.querySelectorAll("tr[data-lesson]")) {
    const { lesson, questions } = row.dataset;
    const right = Object.entries(answers).filter(
      ([name, { right }]) => name.startsWith(`${lesson}-`) && right,
    ).length;
    row.lastElementChild.textContent = `${Math.min(right, questions)} of ${questions}`;
  }
}

/** Answers from a file that "Save as a file" wrote; an Error says what else it is. */
function fromFile(text) {
  const file = JSON.parse(text);
  const answers = file?.course === KEY && file.answers;
  const fine = (answer) => Number.isInteger(answer?.answer) && typeof answer.right === "boolean";
  if (!answers || !Object.values(answers).every(fine)) throw new Error("not a file that this page has saved");
  return answers;
}

function makeProgress(box) {
  const said = element("p", { role: "status" });
  const chooser = element("input", { type: "file", accept: ".json", hidden: true });
  const button = (text, click) => {
    const made = element("button", { type: "button", textContent: text });
    made.addEventListener("click", click);
    return made;
  };
  chooser.addEventListener("change", async () => {
    try {
      const answers = { ...recorded(), ...fromFile(await chooser.files[0].text()) };
      said.textContent = keep(answers) ? "Read." : "This browser does not let the page keep anything.";
    } catch (error) {
      said.textContent = `${chooser.files[0].name} could not be read: ${error.message}.`;
    }
    chooser.value = "";
    showProgress(box);
  });
  const save = () => {
    const file = { course: KEY, saved: new Date().toISOString(), answers: recorded() };
    const address = URL.createObjectURL(
      new Blob([JSON.stringify(file, null, 1)], { type: "application/json" }),
    );
    element("a", { href: address, download: "progress.json" }).click();
    URL.revokeObjectURL(address);
    said.textContent = "Saved as progress.json.";
  };
  const forget = () => {
    said.textContent = keep({}) ? "Forgotten." : "This browser does not let the page keep anything.";
    showProgress(box);
  };
  box.querySelector(".needs-script").replaceWith(
    element(
      "p",
      { className: "buttons" },
      button("Save as a file", save),
      button("Read from a file", () => chooser.click()),
      button("Forget everything", forget),
      chooser,
    ),
    said,
  );
  showProgress(box);
}

/** A table that is wider than its place scrolls by itself: by keyboard, too. */
function makeTablesReachable() {
  for (const table of document.querySelectorAll(".bd-article table")) {
    if (table.scrollWidth > table.clientWidth) table.tabIndex = 0;
    else table.removeAttribute("tabindex");
  }
}

makeTablesReachable();
window.addEventListener("resize", makeTablesReachable);
document.querySelectorAll(".quiz").forEach(makeQuiz);
document.querySelectorAll(".your-progress").forEach(makeProgress);
