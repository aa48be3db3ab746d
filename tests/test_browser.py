"""JupyterLab as start.py starts it, in a real Chromium: lesson 00, then homework 07 from unsolved to solved."""

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT
from course import STUB

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM, reason="Chromium is not installed: the browser test needs it"),
]

FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
CODE = "import start, sys; start.ready = lambda: sys.executable; sys.exit(start.main(['--no-browser']))"


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """A copy of the course, so that no notebook of the reader's is changed, and its server's address."""
    folder = tmp_path_factory.mktemp("course")
    for name in ("notebooks", "exercises", "data", "transfer_learning", "tools", "benchmarks"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns(".ipynb_checkpoints", "assembled"))
    for name in ("start.py", "pyproject.toml", "requirements.txt"):
        shutil.copy(ROOT / name, folder / name)
    with open(folder / "stderr.txt", "w") as stderr:
        server = subprocess.Popen(
            [sys.executable, "-u", "-c", CODE], cwd=folder, stdout=subprocess.PIPE, stderr=stderr, text=True
        )
    try:
        address = next(line.strip() for line in server.stdout if "http://" in line)
        yield *re.fullmatch(r"(http://[\d.:]+)/lab/tree/\S+\?token=(\w+)", address).groups(), folder / "stderr.txt"
    finally:
        server.terminate()
        server.wait()


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            tmp_path_factory.mktemp("profile"),
            executable_path=CHROMIUM,
            headless=True,
            args=FLAGS,
            viewport={"width": 1200, "height": 1600},
        )
        yield context
        context.close()


def open_notebook(browser, course, path):
    page = browser.new_page()
    page.set_default_timeout(300_000)
    # JupyterLab may ask something at any moment, such as what to do with a file that changed on disk
    page.add_locator_handler(page.locator(".jp-Dialog"), lambda: page.keyboard.press("Escape"))
    page.goto(f"{course[0]}/lab/tree/{path}?token={course[1]}&reset")
    page.wait_for_selector(".jp-NotebookPanel .jp-Cell")
    page.wait_for_selector(".jp-NotebookPanel .jp-Notebook-ExecutionIndicator[data-status=idle]")
    return page


def menu(page, name, command):
    page.get_by_role("menuitem", name=name, exact=True).click()
    page.locator(f'li[data-command="{command}"]').click()


def last_output(page, text):
    """Wait for an output area that holds `text`, and return all that its notebook shows as output."""
    from playwright.sync_api import TimeoutError

    outputs = page.locator(".jp-OutputArea-output")
    try:  # textContent, because innerText leaves out what is not scrolled into view
        page.wait_for_function(
            "text => [...document.querySelectorAll('.jp-OutputArea-output')].some(o => o.textContent.includes(text))",
            arg=text,
            timeout=120_000,
        )
    except TimeoutError:
        pytest.fail(f"no output holds {text!r}; the outputs are {outputs.all_text_contents()}")
    return "\n".join(outputs.all_text_contents())


def menu_until(page, name, command, done):
    """Choose a command until the page shows `done`: on a busy machine, a click may come before JupyterLab is ready."""
    from playwright.sync_api import TimeoutError

    for _ in range(5):
        menu(page, name, command)
        with contextlib.suppress(TimeoutError):
            return page.wait_for_function(done, timeout=10_000)
    pytest.fail(f"{command} changes nothing")


def clear(page):
    menu_until(page, "Edit", "editmenu:clear-all", "() => !document.querySelector('.jp-OutputArea-output')")


def run_cells(page, command):
    started = "() => [...document.querySelectorAll('.jp-InputPrompt')].some(p => /[*\\d]/.test(p.textContent))"
    menu_until(page, "Run", command, started)


def clear_and_run_all(page, text):
    clear(page)
    run_cells(page, "runmenu:run-all")
    return last_output(page, text)


def run_to(page, code):
    """Run the cell that holds `code`, and those above it."""
    clear(page)
    page.locator(".jp-CodeCell", has_text=code).locator(".cm-content").click()
    run_cells(page, "notebook:run-all-above")
    menu(page, "Run", "runmenu:run")


def test_a_learner_meets_no_teachers_tools_no_question_and_no_warning(browser, course):
    """nbgrader is installed here, as the tests need it; JupyterLab opens without its menu, its buttons, its warnings."""
    page = browser.new_page()
    page.goto(f"{course[0]}/lab/tree/exercises/07_dataloaders/homework.ipynb?token={course[1]}&reset")
    page.wait_for_selector(".jp-NotebookPanel .jp-Notebook-ExecutionIndicator[data-status=idle]", timeout=300_000)
    page.wait_for_timeout(3000)  # a question about news comes late
    menus = page.locator(".lm-MenuBar-item").all_text_contents()
    assert {"File", "Run", "Kernel"} <= set(menus) and "Nbgrader" not in menus
    assert "Validate" not in page.locator(".jp-NotebookPanel-toolbar").inner_text()
    titles = page.locator(".jp-SideBar .lm-TabBar-tab").evaluate_all("tabs => tabs.map(tab => tab.title)")
    assert "Property Inspector" in titles and not [title for title in titles if "ssignment" in title]
    assert not page.locator(".jp-Dialog, .Toastify__toast").all_text_contents()
    assert course[2].read_text() == ""
    page.close()


def test_lesson_00_shows_both_columns_and_an_environment_that_is_ok(browser, course):
    page = open_notebook(browser, course, "notebooks/00_start_here.ipynb")
    shown = clear_and_run_all(page, "training: one step")
    assert "nearest in meaning" in shown and "most words in common" in shown
    assert "[FAIL]" not in shown and "Traceback" not in shown
    page.close()


def test_lesson_00_compares_what_is_typed(browser, course):
    page = open_notebook(browser, course, "notebooks/00_start_here.ipynb")
    run_to(page, "def compare(message")
    picture = page.locator(".jp-OutputArea-output .widget-output img")
    picture.wait_for()
    before = picture.get_attribute("src")
    page.locator(".widget-text input").focus()
    page.keyboard.press("Control+A")
    page.keyboard.insert_text("I am looking for work")
    page.wait_for_function(
        "before => ![before, undefined].includes(document.querySelector('.widget-output img')?.src)", arg=before
    )
    page.close()


def solve(page, answer, part=0):
    """Type `answer` into the exercise's cell, or into that of one of its parts."""
    cell = page.locator(".jp-CodeCell", has_text=STUB).nth(part).locator(".cm-content")
    for _ in range(10):  # a key that comes while the editor is being set up is lost
        cell.click()
        page.keyboard.press("Control+A")
        page.keyboard.insert_text(f"{answer}\n{STUB}")
        if "".join(cell.inner_text().split()) == "".join(f"{answer}{STUB}".split()):
            return
        page.wait_for_timeout(1000)
    pytest.fail(f"the cell holds {cell.inner_text()!r}")


def test_homework_07_from_unsolved_to_solved(browser, course):
    page = open_notebook(browser, course, "exercises/07_dataloaders/homework.ipynb")
    shown = clear_and_run_all(page, "see above")
    assert "Not yet (not-set-yet)" in shown and "nothing is written yet" in shown and "Traceback" not in shown
    solve(page, "val_dataloader = DataLoader(val_dataset, sampler=RandomSampler(val_dataset), batch_size=32)")
    shown = clear_and_run_all(page, "see above")
    assert "in a different position" in shown and "Traceback" not in shown
    solve(page, "val_dataloader = DataLoader(val_dataset, batch_size=32)")
    shown = clear_and_run_all(page, "Not yet (returns-nothing)")
    assert "200 rows in 7 batches" in shown and shown.count("Where to read") == 1 and "Traceback" not in shown
    solve(
        page,
        "def pad_batch(rows, pad_id):\n"
        "    ids = [torch.tensor(ids) for ids, _ in rows]\n"
        "    pad = lambda rows, fill: torch.nn.utils.rnn.pad_sequence(rows, True, fill)\n"
        "    labels = torch.tensor([label for _, label in rows])\n"
        "    return dict(input_ids=pad(ids, pad_id), attention_mask=pad([i * 0 + 1 for i in ids], 0), labels=labels)",
        part=1,
    )
    shown = clear_and_run_all(page, "16 batches, some made just now")
    assert "Not yet" not in shown
    page.close()


def test_lesson_01_guesses_what_is_typed(browser, course):
    page = open_notebook(browser, course, "notebooks/01_pretraining_and_finetuning.ipynb")
    run_to(page, "def play(text")
    picture = page.locator(".jp-OutputArea-output .widget-output img")
    picture.wait_for()
    page.locator(".widget-text input").focus()
    page.keyboard.press("Control+A")
    page.keyboard.insert_text("The doctor works in a hospital.")
    last_output(page, "The sentence needs one [MASK].")
    picture.wait_for(state="detached")
    page.keyboard.press("Control+A")
    page.keyboard.insert_text("The doctor works in a [MASK].")
    picture.wait_for()
    before = picture.bounding_box()["height"]
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    page.wait_for_function("() => document.querySelector('.widget-readout').textContent == '6'")
    page.wait_for_function(  # one more guess, a taller picture
        "height => document.querySelector('.widget-output img')?.getBoundingClientRect().height > height", arg=before
    )
    page.close()


def test_lesson_04_splits_what_is_typed(browser, course):
    page = open_notebook(browser, course, "notebooks/04_encoding.ipynb")
    run_to(page, "def pieces(text)")
    page.locator(".widget-text input").focus()
    for text, pieces in (("teapots", "tea 5572 ##pot 11008 ##s 2015"), ("great😕", "[CLS] 101 [UNK] 100 [SEP] 102")):
        page.keyboard.press("Control+A")
        page.keyboard.insert_text(text)
        last_output(page, "".join(pieces.split()))
    page.close()


def test_lesson_05_pads_cuts_and_masks_by_key(browser, course):
    page = open_notebook(browser, course, "notebooks/05_padding_and_masking.ipynb")
    run_to(page, "def pad(max_len")
    last_output(page, "similarity to the unpadded tweet: 1.000")
    masked_out = page.locator(".jp-OutputArea-output .jp-OutputArea-output span[style*=dashed]")
    page.locator(".noUi-handle").focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("() => document.querySelector('.widget-readout').textContent == '41'")
    for key in ("Tab", "Tab", "Tab", "Space"):  # the number beside the slider, post, pre
        page.keyboard.press(key)
    last_output(page, 10 * "[PAD]0" + "[CLS]101")
    assert masked_out.count() == 10
    page.keyboard.press("Tab")
    page.keyboard.press("Space")  # the mask is off
    masked_out.first.wait_for(state="detached")
    page.close()


def test_lesson_07_shows_other_batches_by_key(browser, course):
    page = open_notebook(browser, course, "notebooks/07_dataloaders.ipynb")
    run_to(page, "def batches(sampler")
    page.locator(".jp-OutputArea-output img").wait_for()
    sliders, readouts = page.locator(".widget-slider [tabindex]"), page.locator(".widget-readout")
    for number, shown in (0, "random"), (1, "7"):
        before = page.locator(".jp-OutputArea-output img").get_attribute("src")
        sliders.nth(number).focus()
        page.keyboard.press("ArrowRight")
        page.wait_for_function(  # a new picture
            "src => ![null, src].includes(document.querySelector('.jp-OutputArea-output img')?.getAttribute('src') ?? null)",
            arg=before,
        )
        assert readouts.all_text_contents()[number] == shown
    page.close()


def test_where_to_read_is_a_link_to_the_section(browser, course):
    page = open_notebook(browser, course, "exercises/05_padding_and_masking/homework.ipynb")
    solve(
        page,
        "def pad_and_mask(sequences, max_len, pad_id, sep_id):\n"
        "    cut = [ids if len(ids) <= max_len else [*ids[: max_len - 1], sep_id] for ids in sequences]\n"
        "    ids = torch.tensor([[*row, *[pad_id] * (max_len - len(row))] for row in cut])\n"
        "    return ids, (ids != pad_id).long()",
    )
    shown = clear_and_run_all(page, "Where to read")
    assert shown.count("Makes the mask from the ids") == 1 and "Traceback" not in shown
    page.locator(".jp-OutputArea-output a", has_text="Two ways to the mask").click()
    heading = page.locator("h2", has_text="Two ways to the mask")
    heading.wait_for()
    page.wait_for_function("heading => heading.getBoundingClientRect().top < 1000", arg=heading.element_handle())
    page.close()


def test_lesson_10_labels_by_mouse_and_by_key(browser, course):
    page = open_notebook(browser, course, "notebooks/10_annotating.ipynb")
    menu(page, "Edit", "editmenu:clear-all")
    page.locator(".jp-CodeCell", has_text="mine = Annotator(both").first.locator(".cm-content").click()
    menu(page, "Run", "notebook:run-all-above")
    menu(page, "Run", "runmenu:run")
    page.get_by_text("0 of 100 done").wait_for()

    def wait_for(progress):
        page.get_by_text(progress, exact=True).wait_for()
        page.wait_for_timeout(300)  # a press that comes at once would not count

    page.wait_for_timeout(300)
    page.get_by_role("button", name="3 Pro").click()
    wait_for("1 of 100 done")
    page.get_by_role("button", name="u undo").click()
    wait_for("0 of 100 done")
    page.get_by_placeholder("click here and press keys").click()
    for key, progress in (
        ("4", "1 of 100 done"),
        ("s", "2 of 100 done, 1 skipped"),
        ("u", "1 of 100 done"),
        ("1", "2 of 100 done"),
    ):
        page.keyboard.press(key)
        wait_for(progress)
    # all of it is on disk, in order, and JupyterLab took none of the keys for itself
    file = Path(os.environ["COURSE_WORK"]) / "my_labels.jsonl"
    written = map(json.loads, file.read_text(encoding="utf-8").splitlines())
    answers = [(line["answer"], line.get("accept")) for line in written]
    file.unlink()  # other tests share the folder
    kept = [
        ("accept", ["Pro"]),
        ("undo", None),
        ("accept", ["News"]),
        ("ignore", []),
        ("undo", None),
        ("accept", ["Anti"]),
    ]
    assert answers == kept
    page.close()
