"""The live parts: exported networks answer as Python does, and every part works in Chromium, by keyboard and offline."""

import ast
import csv
import functools
import http.server
import json
import re
import shutil
import subprocess
import sys
import threading
import tomllib

import numpy as np
import pytest
from conftest import ROOT

SITE = ROOT / "site"
sys.path.append(str(SITE))
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
NPM = shutil.which("npm")
needs_npm = pytest.mark.skipif(not NPM, reason="Node.js is not installed: there are no live parts without it")
needs_chromium = pytest.mark.skipif(not CHROMIUM, reason="Chromium is not installed: the browser test needs it")
PARTS = {part["name"]: part for part in tomllib.loads((SITE / "live.toml").read_text(encoding="utf-8"))["part"]}
FETCHED = [name for name in PARTS if name not in ("padding", "samplers")]
HOSTILE = [
    "",
    " ",
    "[MASK]",
    "a [SEP] b",
    "é\u0301",
    "ＦＵＬＬ",
    "漢字",
    "\ufffd\x00\x07",
    "x" * 300,
    "it's 10% «hot»…",
    "👩‍👩‍👧 ok",
]


@pytest.fixture(scope="module")
def modules():
    if not NPM:
        pytest.skip("Node.js is not installed")
    import build

    folder = build.node_modules()
    if folder is None:
        pytest.skip("npm could not install what the live parts need")
    return folder


@pytest.fixture(scope="module")
def export(monkeypatch_module):
    import export

    return export


@pytest.fixture(scope="module")
def monkeypatch_module():
    with pytest.MonkeyPatch.context() as patch:
        for variable in ("TWEETS_CSV", "TRANSFER_LEARNING_SOURCE"):
            patch.delenv(variable, raising=False)
        yield patch


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    """A small classifier with random weights, large enough for answers that differ."""
    import torch
    from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

    from transfer_learning import LABELS, checkpoint

    folder = tmp_path_factory.mktemp("work") / "classifier"
    torch.manual_seed(0)
    names = dict(enumerate(LABELS.values()))
    sizes = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 128}
    model = BertForSequenceClassification(BertConfig(**sizes, id2label=names, initializer_range=0.3))
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(checkpoint("bert-base-uncased")).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def live(tmp_path_factory, modules, export, classifier):
    """A folder with the live parts, and one page that has all of them."""
    folder = tmp_path_factory.mktemp("pages")
    export.build(folder, classifier)
    return write_page(folder)


def write_page(folder):
    places = "".join(
        f'<h3>{part["title"]}</h3>\n<div class="live" data-live="{name}"><p>{part["text"]}</p></div>\n'
        for name, part in PARTS.items()
    )
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Live parts</title>'
    head += '<link rel="stylesheet" href="../live/live.css"><link rel="icon" href="data:,">'
    style = "body{font:16px sans-serif;max-width:50rem;margin:auto;padding:1rem}"
    style += "html[data-theme=dark]{color-scheme:dark;background:#14181e;color:#ced6dd}"
    script = '<script type="module" src="../live/main.js"></script>'
    page = f'<!doctype html><html lang="en" data-theme="light"><head>{head}<style>{style}</style></head>'
    (folder / "lessons").mkdir()
    body = f"<body><main><h1>Live parts</h1><h2>All</h2>{places}</main>{script}</body></html>"
    (folder / "lessons" / "page.html").write_text(page + body, encoding="utf-8")
    return folder


class Plain(http.server.SimpleHTTPRequestHandler):
    """A plain static host."""

    extensions_map = {".mjs": "text/javascript", ".js": "text/javascript", ".html": "text/html", ".css": "text/css"}  # noqa: RUF012

    def log_message(self, *arguments):
        pass


class Isolated(Plain):
    """With the headers that let a page use several threads."""

    def end_headers(self):
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        super().end_headers()


@pytest.fixture(scope="module")
def hosts(live):
    """The page's address on an isolated host and on a plain one, below a path of its own."""
    servers = {}
    for name, kind in (("isolated", Isolated), ("plain", Plain)):
        handler = functools.partial(kind, directory=live.parent)
        servers[name] = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=servers[name].serve_forever, daemon=True).start()
    yield {name: f"http://127.0.0.1:{s.server_port}/{live.name}/lessons/page.html" for name, s in servers.items()}
    for server in servers.values():
        server.shutdown()


def open_page(browser, address, **options):
    context = browser.new_context(viewport={"width": 1280, "height": 900}, **options)
    page = context.new_page()
    page.set_default_timeout(180_000)  # on a busy machine, a network takes a minute to load
    page.asked, page.errors = [], []
    page.on("request", lambda request: page.asked.append(request.url))
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    page.goto(address)
    return page


def part(page, name):
    return page.locator(f'.live[data-live="{name}"]')


def start(page, name):
    """Start a part from the keyboard, and wait until it takes input."""
    button = part(page, name).get_by_role("button", name=re.compile("^Load .* MB"))
    button.focus()
    page.keyboard.press("Enter")
    part(page, name).locator("input").first.wait_for()


@pytest.fixture(scope="module")
def page(browser, hosts):
    """The page on an isolated host, every part started."""
    page = open_page(browser, hosts["isolated"])
    for name in FETCHED:
        start(page, name)
    yield page
    page.context.close()


def retype(page, name, text):
    """Put a text into a part's field by keyboard."""
    box = part(page, name).locator("input[type=text]")
    box.focus()
    page.keyboard.press("Control+A")
    page.keyboard.insert_text(text)


def says(page, name, text):
    """Wait until a part's status line says this."""
    part(page, name).locator(".live-status", has_text=text).wait_for()


# What is exported


def prompts():
    with open(ROOT / "data" / "mask_prompts.tsv", encoding="utf-8", newline="") as file:
        return [(row["prompt"], row["word"]) for row in csv.DictReader(file, delimiter="\t")]


@pytest.fixture(scope="module")
def original():
    """For each of the 80 prompts, the original's logits at [MASK]."""
    import torch
    from transformers import AutoModelForMaskedLM, AutoTokenizer

    from transfer_learning import checkpoint

    folder = checkpoint("bert-base-uncased")
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModelForMaskedLM.from_pretrained(folder)
    found = []
    for prompt, _ in prompts():
        encoded = tokenizer(prompt, return_tensors="pt")
        with torch.no_grad():
            logits = model.float().eval()(**encoded).logits
        found.append(logits[encoded["input_ids"] == tokenizer.mask_token_id][0].numpy())
    return tokenizer, np.array(found)


def in_top(k, logits, ids):
    return np.mean([(row > row[i]).sum() < k for row, i in zip(logits, ids)])


@pytest.mark.slow
@needs_npm
def test_the_quantized_bert_scores_as_the_original(live, original):
    import onnxruntime

    tokenizer, logits = original
    session = onnxruntime.InferenceSession(live / "live" / "model" / "bert" / "model.onnx")
    quantized = []
    for prompt, _ in prompts():
        ids = tokenizer(prompt)["input_ids"]
        inputs = {"input_ids": np.array([ids]), "position": np.array([[ids.index(tokenizer.mask_token_id)]])}
        quantized.append(session.run(["logits"], inputs)[0][0])
    words = tokenizer.convert_tokens_to_ids([word for _, word in prompts()])
    for k in (1, 5):
        assert abs(in_top(k, np.array(quantized), words) - in_top(k, logits, words)) <= 0.02
    assert np.mean(np.argmax(quantized, axis=1) == logits.argmax(axis=1)) >= 0.95


@pytest.mark.slow
@needs_npm
def test_a_quantized_classifier_answers_as_the_original(live, classifier):
    import onnxruntime
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    from transfer_learning import load_tweets

    folder = live / "live" / "model" / "classifier"
    session = onnxruntime.InferenceSession(folder / "model.onnx")
    tokenizer = AutoTokenizer.from_pretrained(classifier)
    model = AutoModelForSequenceClassification.from_pretrained(classifier)
    same = 0
    for text in load_tweets()["message"][:200]:
        ids = tokenizer(text, truncation=True, max_length=64)["input_ids"]
        with torch.no_grad():
            expected = model(torch.tensor([ids])).logits[0].numpy()
        (found,) = session.run(None, {"input_ids": np.array([ids])})
        same += found[0].argmax() == expected.argmax()
    assert same >= 198
    about = json.loads((folder / "model.json").read_text())
    assert about["labels"] == ["Anti", "Neutral", "Pro", "News"] and about["max_length"] == 64


def test_what_is_no_classifier_is_said_in_one_line(export, tmp_path):
    with pytest.raises(export.ExportError, match="expected a saved classifier and its tokenizer"):
        export.export_classifier(tmp_path, tmp_path / "out")
    from transfer_learning import checkpoint

    with pytest.raises(export.ExportError, match="no weights for classifier"):  # a head that nobody has trained
        export.export_classifier(checkpoint("bert-base-uncased"), tmp_path / "out")


def test_lesson_08s_table_is_read_from_its_output(export):
    rows = export.stored_table()
    assert len(rows) == 12 and rows[0]["text"] == "Climate change is a hoax."
    assert {row["expected"] for row in rows} == {row["before"]["answer"] for row in rows} | {"Neutral"}
    assert all(re.fullmatch(r"\d+%", row["before"]["sure"]) for row in rows)


def test_without_npm_it_says_what_to_run(export, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "MODULES", tmp_path)
    with pytest.raises(export.ExportError, match="npm ci"):
        export.copy_runtime(tmp_path / "live")


@pytest.mark.slow
@needs_npm
def test_a_second_build_takes_seconds_and_copies_nothing_of_another_course(live, export, classifier, tmp_path):
    code = "import sys; sys.path.append('site'); import export; export.build(*sys.argv[1:]); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code, tmp_path, classifier], cwd=ROOT, check=True, timeout=30)
    for file in (live / "live" / "model").rglob("*"):
        assert file.is_dir() or file.read_bytes() == (tmp_path / file.relative_to(live)).read_bytes()


# In the page


@pytest.mark.slow
@needs_npm
@needs_chromium
class TestPage:
    def test_ids_are_those_of_python(self, page, original):
        from transfer_learning import load_tweets

        tokenizer, texts = original[0], [*load_tweets()["message"], *HOSTILE]
        found = page.evaluate(
            """async (texts) => {
                const { loadTokenizer } = await import(new URL("../live/model.js", location.href).href);
                const { encode } = await loadTokenizer(new URL("../live/model/bert/", location.href));
                return [512, 32].map((max) => texts.map((text) => encode(text, max).ids));
            }""",
            texts,
        )
        for max_length, ids in zip((512, 32), found):
            assert ids == tokenizer(texts, truncation=True, max_length=max_length)["input_ids"]

    def test_first_guesses_are_those_of_python(self, page, original):
        tokenizer, logits = original
        found = page.evaluate(
            """async (prompts) => {
                const { loadBert } = await import(new URL("../live/bert.js", location.href).href);
                const bert = await loadBert();
                const words = [];
                for (const prompt of prompts) words.push((await bert.guess(prompt, 1)).words[0]);
                return words;
            }""",
            [prompt for prompt, _ in prompts()],
        )
        assert np.mean(np.array(found) == tokenizer.convert_ids_to_tokens(logits.argmax(axis=1))) >= 0.95

    def test_tokenizer(self, page):
        retype(page, "tokenizer", "teapots")
        says(page, "tokenizer", "5 tokens")
        shown = part(page, "tokenizer").locator(".live-tokens li")
        assert shown.all_inner_texts() == ["[CLS]\n101", "tea\n5572", "##pot\n11008", "##s\n2015", "[SEP]\n102"]
        retype(page, "tokenizer", "great😕")
        says(page, "tokenizer", "3 tokens, 1 of them [UNK]")

    def test_a_keystroke_takes_less_than_30_ms(self, page):
        took = page.evaluate(
            """() => {
                const box = document.querySelector('[data-live=tokenizer] input');
                return [..."photovoltaics are unseasonably warm"].map((letter) => {
                    const started = performance.now();
                    box.value += letter;
                    box.dispatchEvent(new Event("input"));
                    document.querySelector('[data-live=tokenizer]').getBoundingClientRect();
                    return performance.now() - started;
                });
            }"""
        )
        assert np.median(took) < 30

    def test_mask(self, page):
        retype(page, "mask", "The doctor works in a hospital.")
        says(page, "mask", "The sentence needs one [MASK].")
        assert part(page, "mask").locator("tr").count() == 0
        retype(page, "mask", "so " * 600 + "[MASK]")  # tokens; BERT reads 512
        says(page, "mask", "BERT does not read as far as [MASK].")
        assert part(page, "mask").locator("tr").count() == 0
        retype(page, "mask", "My mother drives her [MASK] in the morning.")
        says(page, "mask", "Best guess: car")
        part(page, "mask").locator("input[type=range]").focus()
        page.keyboard.press("ArrowRight")
        part(page, "mask").locator("tr").nth(5).wait_for()
        assert part(page, "mask").locator("tr").count() == 6

    def test_the_button_inserts_a_mask(self, page):
        retype(page, "mask", "We drank .")
        page.keyboard.press("ArrowLeft")
        part(page, "mask").get_by_role("button", name="Insert [MASK]").press("Enter")
        assert part(page, "mask").locator("input[type=text]").input_value() == "We drank [MASK]."
        says(page, "mask", "Best guess")

    def test_attention_is_what_lesson_01_shows(self, page):
        retype(page, "attention", "My mother drives her [MASK] in the morning.")
        verb = part(page, "attention").locator("li", has_text="drives")
        verb.wait_for()
        cell = next(c for c in notebook("01")["cells"] if c["id"] == "01-40")
        shown = "".join(cell["outputs"][1]["data"]["text/plain"])  # token·weight token·weight …
        expected = [float(item.split("·")[1]) for item in shown.split()]
        found = [float(text.split("\n")[1]) for text in part(page, "attention").locator("li").all_inner_texts()]
        assert np.abs(np.subtract(found, expected)).max() < 0.05
        verb.get_by_role("button").press("Enter")
        says(page, "attention", "What drives attends to")

    def test_nearest_are_those_of_lesson_00(self, page):
        name = "nearest"
        retype(page, name, "I like trains")
        retype(page, name, part_default(name))
        says(page, name, "40 of 744 tweets share a word")
        left, right = (part(page, name).locator("ol").nth(n).locator("li").all_inner_texts() for n in (0, 1))
        cell = next(c for c in notebook("00")["cells"] if c["id"] == "00-13")
        shown = "".join(cell["outputs"][-1]["data"]["text/plain"]).split("most words in common:")
        meaning, words = ([line.strip() for line in half.splitlines() if line.startswith("  ")] for half in shown)
        assert [re.sub(r" \(\d\.\d\d\)$", "", text) for text in left] == meaning
        assert right == words

    def test_padding_shows_what_lesson_05_prints(self, page):
        says(page, "padding", "similarity to the unpadded tweet: 1.000")
        part(page, "padding").locator("input[type=range]").focus()
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Tab")
        page.keyboard.press("ArrowRight")  # pre
        boxes = part(page, "padding").locator(".live-tokens li")
        assert boxes.all_inner_texts()[:11] == ["[PAD]\n0"] * 10 + ["[CLS]\n101"]
        assert part(page, "padding").locator(".masked").count() == 10
        page.keyboard.press("Tab")
        page.keyboard.press("Space")  # the mask is off
        assert part(page, "padding").locator(".masked").count() == 0
        assert "1.000" not in part(page, "padding").locator(".live-status").inner_text()

    def test_samplers_step_and_end(self, page):
        place = part(page, "samplers")
        place.get_by_role("button", name="Next row").press("Enter")
        says(page, "samplers", "yields row 0; it goes into batch 0")
        place.get_by_role("button", name="All rows").press("Enter")
        says(page, "samplers", "More than once: none; never: none")
        assert [row.count("\n") for row in place.locator(".live-batches > li").all_inner_texts()] == [6, 6, 6, 2]
        place.locator("input[type=radio]").first.focus()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowDown")  # repeats
        place.get_by_role("button", name="All rows").press("Enter")
        line = place.locator(".live-status").inner_text()
        twice, never = (text.split(": ")[1].rstrip(".").split(", ") for text in line.split(". ")[1].split("; "))
        assert len(twice) == len({*twice}) and not {*twice} & {*never}
        boxes = place.locator("[aria-label='rows of the data set'] li.repeated").all_inner_texts()
        assert boxes == ([] if twice == ["none"] else twice)

    def test_samplers_play_and_pause(self, page):
        place = part(page, "samplers")
        place.get_by_role("button", name="New epoch").press("Enter")
        place.get_by_role("button", name="Play").press("Enter")
        place.locator(".live-batches li li").nth(1).wait_for()
        place.get_by_role("button", name="Pause").press("Enter")
        shown = place.locator(".live-batches li li").count()
        page.wait_for_timeout(600)
        assert place.locator(".live-batches li li").count() == shown

    def test_classifier_answers_as_python_does(self, page, live, export, original):
        import onnxruntime

        session = onnxruntime.InferenceSession(live / "live" / "model" / "classifier" / "model.onnx")
        rows = part(page, "classifier").locator(".live-table tbody tr")
        rows.nth(11).wait_for()
        for row, stored in zip(rows.all(), export.stored_table()):
            cells = row.locator("th, td").all_inner_texts()
            assert cells[:2] == [stored["text"], stored["expected"]]
            assert cells[2].startswith(f"{stored['before']['answer']} {stored['before']['sure']}")
            (logits,) = session.run(None, {"input_ids": np.array([original[0](stored["text"])["input_ids"]])})
            powers = np.exp(logits[0])
            answer = ["Anti", "Neutral", "Pro", "News"][powers.argmax()]
            found, sure = cells[3].split()[:2]
            assert found == answer and abs(int(sure.rstrip("%")) / 100 - powers.max() / powers.sum()) < 0.01
            assert ("wrong" in cells[3]) == (answer != stored["expected"])

    @pytest.mark.parametrize("width", [390, 1280])
    @pytest.mark.parametrize("theme", ["light", "dark"])
    def test_axe_finds_nothing(self, page, modules, width, theme):
        page.set_viewport_size({"width": width, "height": 900})
        page.evaluate("theme => (document.documentElement.dataset.theme = theme)", theme)
        page.add_script_tag(path=modules / "axe-core" / "axe.min.js")
        found = page.evaluate("async () => (await axe.run()).violations.map((v) => [v.id, v.nodes.map((n) => n.html)])")
        assert not found
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "the page is wider than the screen"

    def test_nothing_is_fetched_from_elsewhere(self, page, hosts):
        place = hosts["isolated"].rsplit("/", 2)[0]
        assert {url for url in page.asked if not url.startswith((place, "data:", "blob:" + place[:20]))} == set()
        assert page.errors == []


@pytest.mark.slow
@needs_npm
@needs_chromium
class TestOtherwise:
    def test_nothing_large_is_fetched_before_somebody_asks(self, browser, hosts):
        page = open_page(browser, hosts["isolated"])
        part(page, "samplers").get_by_role("button", name="Next row").wait_for()
        part(page, "mask").get_by_role("button").wait_for()
        page.wait_for_load_state("networkidle")
        assert [url for url in page.asked if url.endswith((".onnx", ".wasm", "tokenizer.json", ".bin"))] == []
        page.context.close()

    def test_a_plain_host_is_enough(self, browser, hosts):
        page = open_page(browser, hosts["plain"])
        assert not page.evaluate("crossOriginIsolated")
        start(page, "mask")
        says(page, "mask", "Best guess: bread")
        page.context.close()

    def test_a_part_that_has_loaded_takes_the_keyboard_only_from_its_own_button(self, browser, hosts):
        """A network may take a minute: who reads on meanwhile, or types elsewhere, is not brought back."""
        page = open_page(browser, hosts["plain"])
        start(page, "tokenizer")
        page.wait_for_function("document.activeElement.closest('[data-live=tokenizer] label')")
        page.context.close()
        page = open_page(browser, hosts["plain"])
        page.route("**/tokenizer.json", lambda route: (page.wait_for_timeout(500), route.continue_()))
        part(page, "tokenizer").get_by_role("button").press("Enter")
        part(page, "samplers").get_by_role("button", name="Next row").focus()
        says(page, "tokenizer", "tokens")
        page.wait_for_timeout(500)
        assert page.evaluate("document.activeElement.innerText") == "Next row"
        page.context.close()

    def test_without_javascript_the_text_stays(self, browser, hosts):
        page = open_page(browser, hosts["plain"], java_script_enabled=False)
        for name, about in PARTS.items():
            assert about["text"] in part(page, name).inner_text()
        page.context.close()

    def test_a_browser_that_cannot_says_so_and_can_try_again(self, browser, hosts):
        context = browser.new_context()
        context.set_default_timeout(180_000)
        context.add_init_script("delete globalThis.WebAssembly")
        page = context.new_page()
        page.goto(hosts["plain"])
        for _ in range(2):
            part(page, "mask").get_by_role("button").press("Enter")
            says(page, "mask", "It did not start in this browser: it has no WebAssembly. You can try again.")
        context.close()

    def test_a_file_that_is_missing_is_said(self, browser, hosts):
        context = browser.new_context()
        context.set_default_timeout(180_000)
        page = context.new_page()
        page.route("**/tokenizer.json", lambda route: route.fulfill(status=404))
        page.route("**/padding.js", lambda route: route.abort())
        page.goto(hosts["plain"])
        part(page, "tokenizer").get_by_role("button").press("Enter")
        says(page, "tokenizer", "tokenizer.json was not found (status 404). You can try again.")
        assert PARTS["padding"]["text"] in part(page, "padding").inner_text()
        part(page, "padding").locator(".live-error").wait_for()
        context.close()

    def test_a_page_built_without_a_part_keeps_its_text(self, browser, hosts):
        context = browser.new_context()
        context.set_default_timeout(180_000)
        page = context.new_page()
        page.route("**/parts.json", lambda route: route.fulfill(json={"mask": 1}))
        page.goto(hosts["plain"])
        part(page, "mask").get_by_role("button").wait_for()
        assert part(page, "classifier").inner_text() == PARTS["classifier"]["text"]
        context.close()


# The sources


def notebook(number):
    (path,) = (ROOT / "notebooks").glob(f"{number}_*.ipynb")
    return json.loads(path.read_text(encoding="utf-8"))


def source(name):
    return (SITE / "live" / f"{name}.js").read_text(encoding="utf-8")


def part_default(name):
    """What a part's text field holds at first."""
    (value,) = re.findall(r'"text", \{ value: (.+?) \}', source(name))
    return ast.literal_eval(value.replace("`", '"').replace("${MASK}", "[MASK]"))


@pytest.mark.parametrize(
    ("name", "lesson", "cell"),
    [
        ("tokenizer", "04", "04-w1"),
        ("mask", "01", "01-42"),
        ("nearest", "00", "00-13"),
        ("classifier", "08", "l08-d2"),
    ],
)
def test_parts_begin_as_the_lesson_does(name, lesson, cell):
    (code,) = ("".join(c["source"]) for c in notebook(lesson)["cells"] if c["id"] == cell)
    assert json.dumps(part_default(name), ensure_ascii=False) in code


def test_the_sliders_are_those_of_the_lessons():
    def cell(lesson, name):
        return next("".join(c["source"]) for c in notebook(lesson)["cells"] if c["id"] == name)

    low, high, value = re.search(r"min: (\d+), max: (\d+), value: (\d+)", source("samplers")).groups()
    assert f"batch_size=({low}, {high})" in cell("07", "07-35") and f"batch_size={value}" in cell("07", "07-35")
    assert f"rows = range({re.search(r'ROWS = (.+);', source('samplers'))[1]})" in cell("07", "07-34")
    low, high, value = re.search(r"min: (\d+), max: (\d+), value: (\d+)", source("mask")).groups()
    assert f"k=({low}, {high})" in cell("01", "01-42") and f"k={value}" in cell("01", "01-42")


def test_javascript_stays_small():
    lines = [
        path.read_text(encoding="utf-8").count("\n")
        for folder in ("live", "static", "own")
        for path in SITE.glob(f"{folder}/*.js")
    ]
    assert sum(lines) < 1200


@needs_npm
def test_javascript_is_linted_and_formatted(modules):
    checked = subprocess.run([NPM, "run", "--silent", "check"], cwd=SITE, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_lock_file_holds_no_download_address():
    lock = json.loads((SITE / "package-lock.json").read_text(encoding="utf-8"))
    assert all("resolved" not in package for package in lock["packages"].values())
    assert all("integrity" in package for name, package in lock["packages"].items() if name)
