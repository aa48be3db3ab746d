"""A saved classifier as a page: it answers as in Python, says what it cannot do, and shows no text as HTML."""

import json
import logging
import random
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import BernoulliNB, ComplementNB, MultinomialNB
from sklearn.pipeline import make_pipeline
from test_browser import CHROMIUM
from test_project import tickets

from transfer_learning import checkpoint

sys.path.append(str(ROOT / "site"))
import own_page

NODE, NPM = shutil.which("node"), shutil.which("npm")
needs_node = pytest.mark.skipif(not NODE, reason="Node.js is not installed: it runs the page's JavaScript here")
needs_npm = pytest.mark.skipif(not NPM, reason="npm is not installed: it fetches what runs networks in a page")
needs_chromium = pytest.mark.skipif(not CHROMIUM, reason="Chromium is not installed: the browser test needs it")
EVIL = '<img src=x onerror="document.title=1">'
CARD = f"""---
pipeline_tag: text-classification
---

# Card of {EVIL}

<script>document.title = 2</script>

![a picture](https://example.org/x.png) [a link](javascript:alert(1))

| | macro-F1 |
|---|---|
| a{EVIL} | 0.5 |

## Open questions

- [ ] What for?
- [x] Who?
"""


# --- word counts -------------------------------------------------------------------------------------------

LESSON = {"sublinear_tf": True, "ngram_range": (1, 2), "token_pattern": r"\w+|[^\w\s]", "max_features": 30_000}
PIPELINES = {
    "lesson 11": lambda: make_pipeline(TfidfVectorizer(**LESSON), LogisticRegression(C=10)),
    "two classes": lambda: make_pipeline(TfidfVectorizer(), LogisticRegression()),
    "letters": lambda: make_pipeline(
        TfidfVectorizer(analyzer="char", ngram_range=(1, 3), norm="l1"), LogisticRegression()
    ),
    "letters within words": lambda: make_pipeline(
        TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 6), lowercase=False), MultinomialNB()
    ),
    "accents and stop words": lambda: make_pipeline(
        TfidfVectorizer(strip_accents="unicode", token_pattern=r"(?u)\b\w+\b", binary=True, stop_words=["a", "the"]),
        ComplementNB(),
    ),
    "ascii, three steps": lambda: make_pipeline(
        CountVectorizer(strip_accents="ascii", ngram_range=(2, 3), token_pattern=r"\S+"),
        TfidfTransformer(use_idf=False),
        LogisticRegression(C=100),
    ),
    "a group": lambda: make_pipeline(CountVectorizer(token_pattern=r"\b(\w+)[-'.]?"), LogisticRegression()),
}
LETTERS = "aAbBßÄöÉéıİΣςσ㎏ﬁ²½Ⅷ५中文字👍🏽👨‍👩‍👧\u0301\u0327\u200d\ufeff\x85\x1c\u2028\r\n\t _-'’“”.!?#@3 9  ."
RUN = """
import fs from "node:fs";
import { wordCounts } from "./tfidf.js";
const texts = JSON.parse(fs.readFileSync("texts.json"));
const answers = {};
for (const name of JSON.parse(fs.readFileSync("names.json"))) {
  const bytes = fs.readFileSync(`${name}/words.bin`);
  const ask = wordCounts(JSON.parse(fs.readFileSync(`${name}/words.json`)), new Float32Array(new Uint8Array(bytes).buffer));
  answers[name] = texts.map(ask);
}
console.log(JSON.stringify(answers));
"""


def nasty_texts():
    rng = random.Random(0)
    some = [
        "",
        "   ",
        "Where is my parcel?",
        "ΟΔΥΣΣΕΥΣ ΣΑΣ",
        "İstanbul",
        "naïve Café crème",
        "a" * 500,
        "__proto__ constructor",
    ]
    return some + ["".join(rng.choice(LETTERS) for _ in range(rng.randint(1, 40))) for _ in range(300)]


@needs_node
def test_words_are_counted_as_scikit_learn_counts_them(tmp_path):
    texts, expected = nasty_texts(), {}
    for number, (name, make) in enumerate(PIPELINES.items()):
        labels = [f"class {n % (2 if name == 'two classes' else 3)}" for n in range(len(texts))]
        pipeline = make().fit(texts, labels)
        (tmp_path / str(number)).mkdir()
        own_page.word_counts(pipeline, tmp_path / str(number))
        expected[str(number)] = pipeline.predict_proba(texts)
    for source in (own_page.OWN / "tfidf.js", own_page.HERE / "live" / "model.js"):
        shutil.copy(source, tmp_path)
    for name, content in (("package.json", {"type": "module"}), ("texts.json", texts), ("names.json", list(expected))):
        (tmp_path / name).write_text(json.dumps(content), encoding="utf-8")
    (tmp_path / "run.js").write_text(RUN, encoding="utf-8")
    done = subprocess.run([NODE, "run.js"], cwd=tmp_path, capture_output=True, text=True, encoding="utf-8", timeout=60)
    answers = json.loads(done.stdout or pytest.fail(done.stderr))
    for number, name in zip(expected, PIPELINES):
        np.testing.assert_allclose(answers[number], expected[number], atol=1e-5, err_msg=name)


@needs_node
def test_a_regular_expression_finds_in_javascript_what_it_finds_in_python(tmp_path):
    patterns = [
        r"\w+|[^\w\s]",
        r"(?u)\b\w\w+\b",
        r"[\w'-]+",
        r"\S+",
        r"#?\w{2,}",
        r".",
        r"[^]a]+",
        r"\d+\.\d|\bé",
        r"(?:\w|@)+(?=\s)",
        r"[A-Z][^\s,]*",
    ]
    texts = nasty_texts()
    made = [own_page.regular_expression(pattern) for pattern in patterns]
    (tmp_path / "input.json").write_text(json.dumps([made, texts]), encoding="utf-8")
    script = (
        "const [patterns, texts] = JSON.parse(require('fs').readFileSync('input.json'));"
        "console.log(JSON.stringify(patterns.map(p => texts.map(t => t.match(new RegExp(p, 'gu')) ?? []))))"
    )
    done = subprocess.run(
        [NODE, "-e", script], cwd=tmp_path, capture_output=True, text=True, encoding="utf-8", timeout=60
    )
    found = json.loads(done.stdout or pytest.fail(done.stderr))
    for pattern, lists in zip(patterns, found):
        assert lists == [re.findall(pattern, text) for text in texts], pattern


# --- what is no classifier, or one that no page can run ----------------------------------------------------


def project(folder, parts=("TF-IDF",), classes=None, pipeline=None, card=CARD, **files):
    """A project's folder as lesson 11 writes it, with a pipeline of word counts; return it and the tickets."""
    import skops.io

    folder.mkdir(parents=True)
    df = tickets()
    classes = classes or sorted(set(df["label"]))
    labels = [classes[n % len(classes)] for n in df["label"].astype("category").cat.codes + 5 * (df.index % 12)]
    pipeline = pipeline or make_pipeline(TfidfVectorizer(**LESSON | {"max_features": 1000}), MultinomialNB(alpha=0.1))
    skops.io.dump(pipeline.fit(df["text"], labels), folder / "tfidf.skops")
    about = {"classes": sorted(classes), "parts": list(parts), "max_len": 24}
    (folder / "project.json").write_text(json.dumps(about), encoding="utf-8")
    sets = np.where(df.index % 4 == 0, "test", "train")
    split = df.assign(**{"set": sets, "class": labels})[["set", "class", "text"]]
    split.to_csv(folder / "split.csv", index_label="row")
    split[split["set"] == "test"].assign(answer=classes[0])[["class", "answer"]].to_csv(
        folder / "predictions.csv", index_label="row"
    )
    (folder / "README.md").write_text(card, encoding="utf-8")
    return df["text"].tolist()


def says(folder, capsys, *options):
    """Return the one line with which `start.py page` refuses a folder."""
    with pytest.raises(SystemExit) as stop:
        own_page.main([str(folder), "--build", *map(str, options)])
    line = stop.value.code
    assert isinstance(line, str) and "\n" not in line.strip() and "Traceback" not in line
    return line


def test_what_is_no_classifier_is_said_in_one_line(tmp_path, capsys):
    assert "is not a folder" in says(tmp_path / "nowhere", capsys)
    (tmp_path / "empty").mkdir()
    line = says(tmp_path / "empty", capsys)
    assert "expected project.json" in line and "it is empty" in line
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").touch()
    assert "it has notes.txt" in says(tmp_path / "other", capsys)
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "config.json").write_text("{")
    assert "does not load as a classifier" in says(tmp_path / "damaged", capsys)
    for name in ("vocab.txt", "tokenizer_config.json"):
        shutil.copy(Path(checkpoint("bert-base-uncased")) / name, tmp_path / "damaged")
    config = {"model_type": "bert", "architectures": ["BertForSequenceClassification"], "num_hidden_layers": 1}
    (tmp_path / "damaged" / "config.json").write_text(json.dumps(config))
    (tmp_path / "damaged" / "model.safetensors").write_bytes(b"cut off")
    assert "does not load as a classifier" in says(tmp_path / "damaged", capsys)
    (tmp_path / "body").mkdir()
    (tmp_path / "body" / "config.json").write_text('{"model_type": "bert", "architectures": ["BertModel"]}')
    assert "without a classifier's head: BertModel" in says(tmp_path / "body", capsys)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "body",
        "damaged",
        "empty",
        "other",
    ]  # nothing half done


def test_a_project_that_no_page_can_run_is_said_in_one_line(tmp_path, capsys):
    project(tmp_path / "bernoulli", pipeline=make_pipeline(TfidfVectorizer(max_features=99), BernoulliNB()))
    assert "a BernoulliNB; a page can run LogisticRegression" in says(tmp_path / "bernoulli", capsys)
    project(tmp_path / "gone", parts=["TF-IDF", "finetuned"])
    assert "there is no finetuned" in says(tmp_path / "gone", capsys)
    project(
        tmp_path / "flags",
        pipeline=make_pipeline(CountVectorizer(token_pattern=r"(?i)[a-z]", max_features=99), MultinomialNB()),
    )
    assert "which a page cannot translate" in says(tmp_path / "flags", capsys)


def test_no_folder_of_somebody_else_is_replaced(tmp_path, capsys):
    project(tmp_path / "mine")
    (tmp_path / "mine_page").mkdir()
    (tmp_path / "mine_page" / "index.html").write_text("my own page")
    assert "is not a page of this command" in says(tmp_path / "mine", capsys)
    assert "is inside" in says(tmp_path / "mine", capsys, "--to", tmp_path / "mine" / "page")
    (tmp_path / "notes.txt").touch()
    assert "No page was written: [Errno" in says(tmp_path / "mine", capsys, "--to", tmp_path / "notes.txt" / "page")
    own_page.main([str(tmp_path / "mine"), "--build", "--to", str(tmp_path / "new")])
    (tmp_path / "new" / "old.txt").touch()
    own_page.main([f"{tmp_path / 'mine'}/", "--build", "--to", str(tmp_path / "new")])  # its own page it replaces
    assert not (tmp_path / "new" / "old.txt").exists() and "new: " in capsys.readouterr().out


@pytest.mark.slow
def test_the_exporters_remarks_on_other_packages_are_not_shown():
    code = "import logging, own_page; own_page.quiet(); import torch.onnx; print(logging.getLogger('torch.onnx').level)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT / "site", capture_output=True, text=True, check=True)
    assert int(done.stdout) == logging.ERROR


# --- in a browser ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """A project of 60 classes with names that are HTML, and its page."""
    folder = tmp_path_factory.mktemp("many")
    texts = project(folder / "project", classes=[f"{EVIL} {n}" for n in range(60)])
    own_page.main([str(folder / "project"), "--build"])
    return folder / "project_page", texts


@pytest.fixture
def opened(browser, web, request):
    """A function that serves a folder and opens it; the page returned knows what it asked for."""

    def open_folder(folder, **options):
        server = web.server(folder, port=0)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        context = browser.new_context(**options)
        request.addfinalizer(lambda: (context.close(), server.shutdown(), server.server_close()))
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.asked, page.errors = [], []
        page.on("request", lambda asked: page.asked.append(asked.url))
        page.on("pageerror", lambda error: page.errors.append(str(error)))
        page.on("console", lambda said: page.errors.append(said.text) if said.type == "error" else None)
        page.address = f"http://127.0.0.1:{server.server_port}/"
        page.goto(page.address)
        return page

    return open_folder


def ask(page, texts):
    """Return the page's probabilities, an array (texts, classes)."""
    script = "async (texts) => { const ask = await (await import('/page.js')).model(); const all = []; "
    script += "for (const text of texts) all.push((await ask(text)).probabilities); return all; }"
    return np.array(page.evaluate(script, texts))


@needs_chromium
def test_the_page_by_keyboard(opened, many):
    page = opened(many[0])
    assert not any("words" in url for url in page.asked)  # nothing is loaded before somebody asks
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")  # to the button, past the text
    page.keyboard.press("Enter")
    assert page.text_content("#line") == "Type a text first."
    page.keyboard.press("Shift+Tab")
    page.keyboard.type("Where is my parcel?")
    page.keyboard.press("Control+Enter")
    page.wait_for_selector("#answer table")
    assert re.fullmatch(r"<img .*> \d+, \d+%\.", page.text_content("#line"))
    assert (
        page.locator("#answer > table tr").count() == own_page_shown()
        and page.locator("#answer summary").text_content() == "The next 52 classes"
    )
    before = page.text_content("#answer")
    page.keyboard.press("Control+A")
    page.keyboard.type("Refund!")  # now it answers while one types
    page.wait_for_function("before => document.querySelector('#answer').textContent !== before", arg=before)
    # names and card are text, and nothing is asked of another host
    assert page.title().startswith(f"Card of {EVIL}") and page.locator("img, #card script").count() == 0
    assert "☐ What for?" in page.text_content("#card") and "☑ Who?" in page.text_content("#card")
    assert page.errors == [] and all(url.startswith((page.address, "data:")) for url in page.asked)


def own_page_shown():
    return int(re.search(r"const SHOWN = (\d+)", (own_page.OWN / "page.js").read_text(encoding="utf-8"))[1])


@needs_chromium
def test_word_counts_in_the_page_answer_as_in_python(opened, many):
    from transfer_learning.check import hw11_project

    folder, texts = many
    texts = [*texts[:150], *nasty_texts()[:50]]
    expected = hw11_project.load(folder.with_name("project"))(texts).to_numpy()
    np.testing.assert_allclose(ask(opened(folder), texts), expected, atol=1e-5)


@needs_chromium
def test_without_javascript_the_card_is_there_and_as_a_file_it_says_what_to_do(opened, many, browser):
    page = opened(many[0], java_script_enabled=False)
    shown = page.inner_text("body")
    assert "which is switched off" in shown and "What for?" in shown and page.locator("#ask").is_hidden()
    page = browser.new_page()
    page.goto((many[0] / "index.html").as_uri())
    assert "python3 -m http.server" in page.inner_text("#unserved")
    page.close()


@needs_chromium
@needs_npm
@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(opened, many, web, width, scheme):
    page = opened(many[0], viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.fill("#text", "Where is my parcel?")
    page.keyboard.press("Control+Enter")
    page.wait_for_selector("#answer table")
    page.click("#answer summary")
    page.evaluate((web.node_modules() / "axe-core" / "axe.min.js").read_text(encoding="utf-8"))
    found = page.evaluate("axe.run().then(result => result.violations.map(v => [v.id, v.nodes[0].html]))")
    assert found == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")  # nothing to scroll sideways


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """A project of all three parts: the stand-in's first layer, with heads fitted to it; one part lacks a class."""
    import skops.io
    import torch
    from sentence_transformers import SentenceTransformer
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    from transfer_learning import checkpoint

    folder = tmp_path_factory.mktemp("mixed") / "my project"
    texts = project(folder, parts=["TF-IDF", "frozen", "finetuned"])
    classes = json.loads((folder / "project.json").read_text())["classes"]
    labels, some = tickets()["label"][:200], texts[:200]
    name = checkpoint("bert-base-uncased")
    encoder = SentenceTransformer(name, config_kwargs={"num_hidden_layers": 1}, device="cpu")
    encoder.max_seq_length = 24
    encoder.save_pretrained(str(folder / "encoder"), create_model_card=False)
    vectors = encoder.encode(some, normalize_embeddings=True, show_progress_bar=False)
    known = labels != classes[0]
    skops.io.dump(LogisticRegression(C=10).fit(vectors[known], labels[known]), folder / "frozen.skops")

    order = classes[::-1]
    names = {"id2label": dict(enumerate(order)), "label2id": {name: n for n, name in enumerate(order)}}
    network = AutoModelForSequenceClassification.from_pretrained(name, num_hidden_layers=1, **names).eval()
    tokenizer = AutoTokenizer.from_pretrained(name)
    inputs = tokenizer(some, padding=True, truncation=True, max_length=24, return_tensors="pt")
    with torch.no_grad():
        pooled = network.bert(**inputs).pooler_output
        head = LogisticRegression(C=10, max_iter=1000).fit(pooled.numpy(), [order.index(label) for label in labels])
        network.classifier.weight.copy_(torch.tensor(head.coef_))
        network.classifier.bias.copy_(torch.tensor(head.intercept_))
    network.save_pretrained(folder / "finetuned")
    tokenizer.save_pretrained(folder / "finetuned")
    return folder, texts


@pytest.mark.slow
@needs_chromium
@needs_npm
def test_a_mean_of_three_parts_answers_in_the_page_as_in_python(opened, mixed, capsys):
    from transfer_learning.check import hw11_project

    folder, texts = mixed
    own_page.main([str(folder), "--build"])
    printed = capsys.readouterr().out
    same, of = map(int, re.search(r"On (\d+) of (\d+) texts of the test set", printed).groups())
    assert of == 200 and same >= 198
    page = opened(folder.with_name("my project_page"))
    texts = [*texts[:197], "", "word " * 2000, "漢字 👍 é\u0301"]
    answers, expected = ask(page, texts), hw11_project.load(folder)(texts).to_numpy()
    assert len(set(expected.argmax(axis=1))) > 2  # they differ, so that agreeing means something
    assert (answers.argmax(axis=1) == expected.argmax(axis=1)).mean() >= 0.99
    np.testing.assert_allclose(answers, expected, atol=0.05)
    page.fill("#text", "word " * 2000)
    page.keyboard.press("Control+Enter")
    page.wait_for_selector("#answer table")
    assert "the network read only its first 24 tokens" in page.text_content("#line")
    assert page.errors == [] and all(url.startswith((page.address, "data:", "blob:")) for url in page.asked)


@pytest.mark.slow
@needs_chromium
@needs_npm
def test_lesson_08s_classifier_answers_in_the_page_as_in_python(opened, mixed, tmp_path):
    from transformers import pipeline

    folder, texts = shutil.copytree(mixed[0] / "finetuned", tmp_path / "classifier"), mixed[1][:200]
    own_page.main([str(folder), "--build"])
    page = opened(tmp_path / "classifier_page")
    tool = pipeline("text-classification", str(folder), device="cpu")
    names = list(tool.model.config.id2label.values())
    assert names != sorted(names)  # the page keeps the network's order
    assert "has no model card" in page.inner_text("#card") and f": {', '.join(names)}." in page.inner_text("main")
    answers = [{answer["label"]: answer["score"] for answer in row} for row in tool(texts, top_k=None)]
    expected = np.array([[row[name] for name in names] for row in answers])
    shown = ask(page, texts)
    np.testing.assert_allclose(shown, expected, atol=0.02)
    assert (shown.argmax(axis=1) == expected.argmax(axis=1)).mean() >= 0.99
