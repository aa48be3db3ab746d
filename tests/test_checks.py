"""Every check: right answers pass, wrong ones are told apart, nothing that a learner hands over can break it.

tests/answers/hwNN_*.py hold the answers to homework NN:

- RIGHT: name -> answer; WRONG: name -> (slug, answer). Where chance decides which of two true names is found, the slug
  is "one or other"
- judge(answer), in one of the files: hands an answer to the check, with the other arguments that it takes
- build(entry), optional: makes the answer of an entry of RIGHT or WRONG that is not one yet
- SECOND = True, in a file for a homework's second check: its answers are kept apart, under the file's name
"""

import importlib
import json
import random
import re
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from conftest import ROOT
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from transfer_learning import check
from transfer_learning.check import _engine


def _unused(name, names):
    return name if name not in names else _unused(f"{name}, again", names)


def answers():
    """The known answers by homework ("hw05", "hw07_pad_batch"): judge, RIGHT and WRONG of all its files; all built."""
    found = {}
    for path in sorted((Path(__file__).parent / "answers").glob("hw*.py")):
        module = importlib.import_module(f"answers.{path.stem}")
        name = path.stem if getattr(module, "SECOND", False) else path.stem[:4]
        own = found.setdefault(name, SimpleNamespace(RIGHT={}, WRONG={}))
        build = getattr(module, "build", lambda entry: entry)
        for name, entry in module.RIGHT.items():
            own.RIGHT[_unused(name, own.RIGHT)] = lambda build=build, entry=entry: build(entry)
        for name, (slug, entry) in module.WRONG.items():
            own.WRONG[_unused(name, own.WRONG)] = slug, lambda build=build, entry=entry: build(entry)
        if hasattr(module, "judge"):
            own.judge = module.judge
    return found


ANSWERS = answers()
#: "hw05" -> its lesson
LESSONS = {f"hw{lesson[:2]}": lesson for lesson in check.HOMEWORK.values()}
FUNCTIONS = [name for name in ANSWERS if name not in ("hw07", "hw11")]  # those ask for a loader, and for a folder


@pytest.fixture(autouse=True)
def own_progress_file(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_RECORD", str(tmp_path / "homework.json"))


@pytest.fixture
def short_of_time(monkeypatch):
    """Hanging answers are tried for 1 s; one test below waits for the real limit."""
    monkeypatch.setattr(_engine, "SECONDS", 1)


@pytest.fixture
def enough_time(monkeypatch):
    """The verdict on an answer that ends must not depend on how busy the machine is."""
    monkeypatch.setattr(_engine, "SECONDS", 120)


def states():
    return (
        torch.get_rng_state().tolist(),
        np.random.get_state()[1].tolist(),
        random.getstate(),
        torch.is_grad_enabled(),
        sys.stdout,
        sys.stderr,
    )


def verdict(module, answer):
    """Return the `NotYet` or None; whatever else comes out is an error. Nothing global may change."""
    before = states()
    try:
        assert module.judge(answer) is None
        return None
    except check.NotYet as not_yet:
        return not_yet
    finally:
        assert states() == before


def test_every_homework_has_answers():
    assert {name[:4] for name in ANSWERS} == set(LESSONS) and len(ANSWERS) == len(check.HOMEWORK)
    for module in ANSWERS.values():
        assert len(module.RIGHT) >= 12 and len(module.WRONG) >= 20


@pytest.mark.parametrize(("homework", "name"), [(h, n) for h, module in ANSWERS.items() for n in module.RIGHT])
def test_a_right_answer_passes(homework, name, enough_time, capsys):
    not_yet = verdict(ANSWERS[homework], ANSWERS[homework].RIGHT[name]())
    assert not_yet is None, not_yet
    printed = capsys.readouterr().out
    assert printed.startswith("checking …") and "✔" in printed
    if [name[:4] for name in ANSWERS].count(homework[:4]) == 1:
        assert f"Homework passed on this machine: {homework[2:]} (1 of" in printed
    else:
        assert f"Homework {homework[2:4]}: 1 of its 2 checks." in printed


@pytest.mark.parametrize(("homework", "name"), [(h, n) for h, module in ANSWERS.items() for n in module.WRONG])
def test_a_wrong_answer_is_told_apart(homework, name, enough_time, monkeypatch):
    slug, answer = ANSWERS[homework].WRONG[name]
    if slug == "never-ends":
        monkeypatch.setattr(_engine, "SECONDS", 1)
    not_yet = verdict(ANSWERS[homework], answer())
    assert not_yet is not None, "a wrong answer passed"
    assert not_yet.misconception in slug.split(" or "), not_yet
    assert not_yet.saw and not_yet.why and not_yet.where.startswith("lesson ")


def hangs(*args, **kwargs):
    while True:
        time.sleep(0.01)


def hangs_and_catches_everything(*args, **kwargs):
    while True:
        try:
            time.sleep(0.01)
        except Exception:
            continue


def exits(*args, **kwargs):
    sys.exit(3)


def closes_stdout(*args, **kwargs):
    sys.stdout.close()


def prints_a_megabyte(*args, **kwargs):
    for _ in range(1000):
        print("x" * 1000)


def raises(*args, **kwargs):
    raise KeyError("message")


def recurses(*args, **kwargs):
    return recurses(*args, **kwargs)


def interrupts(*args, **kwargs):
    raise KeyboardInterrupt


def takes_nothing():
    return 1


HOSTILE = {
    hangs: "never-ends",
    hangs_and_catches_everything: "never-ends",
    exits: "exits",
    interrupts: "exits",
    closes_stdout: "closes-stdout",
    prints_a_megabyte: "prints-too-much",
    raises: "raises",
    recurses: "raises",
    takes_nothing: "raises",
    (lambda *args, **kwargs: None): "returns-nothing",
    (lambda *args, **kwargs: ...): "returns-nothing",
    (lambda *args, **kwargs: object()): "wrong-type",
}


@pytest.mark.parametrize("homework", FUNCTIONS)
@pytest.mark.parametrize("function", HOSTILE, ids=lambda function: function.__name__)
def test_a_hostile_function_gets_a_kind_message(homework, function, short_of_time, capsys):
    not_yet = verdict(ANSWERS[homework], build_function(homework, function))
    slugs = {HOSTILE[function]}
    if function is closes_stdout:
        slugs.add("returns-nothing")  # which of the two is said first does not matter
    assert not_yet is not None and not_yet.misconception in slugs, not_yet
    print("still here")
    assert "still here" in capsys.readouterr().out


def build_function(homework, function):
    """Homework 04 asks for two functions."""
    return (function, function) if homework == "hw04" else function


@pytest.mark.parametrize("homework", FUNCTIONS)
@pytest.mark.parametrize(
    ("answer", "slug"), [(None, "nothing-yet"), (..., "nothing-yet"), (list, "not-a-function"), (3, "not-a-function")]
)
def test_what_is_no_function_is_said(homework, answer, slug):
    assert verdict(ANSWERS[homework], build_function(homework, answer)).misconception == slug


def test_the_real_time_limit():
    started = time.perf_counter()
    not_yet = verdict(ANSWERS["hw03"], hangs)
    assert not_yet.misconception == "never-ends" and "8 seconds" in not_yet.saw
    assert time.perf_counter() - started < 10


class Unreadable:
    """Every way to look at it raises."""

    def __getattribute__(self, name):
        raise RuntimeError(name)

    def __repr__(self):
        raise RuntimeError("repr")

    def __eq__(self, other):
        raise RuntimeError("eq")

    def __len__(self):
        raise RuntimeError("len")

    def __iter__(self):
        sys.exit(3)


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary()
    | st.just(...)
    | st.builds(Unreadable)
    | st.sampled_from(
        [torch.zeros(0), torch.ones(3, 3), torch.zeros(2, dtype=torch.long), torch.tensor(1.5), np.ones(4)]
    ),
    lambda inner: st.lists(inner, max_size=4) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner, max_size=3),
)


@pytest.mark.parametrize("homework", ANSWERS)
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(thing=anything, as_function=st.booleans())
def test_anything_gets_a_kind_message(homework, thing, as_function, short_of_time):
    answer = (lambda *args, **kwargs: thing) if as_function else thing
    if homework != "hw07":
        answer = build_function(homework, answer)
    started = time.perf_counter()
    assert verdict(ANSWERS[homework], answer) is not None
    assert time.perf_counter() - started < 10


# --- the table of misconceptions -------------------------------------------------------------------------


def test_every_misconception_is_met_by_some_wrong_answer():
    met = {}
    for homework, module in ANSWERS.items():
        met.setdefault(homework[:4], set()).update(slug.split(" or ")[0] for slug, _ in module.WRONG.values())
    anywhere = set(HOSTILE.values()) | {"nothing-yet", "not-a-function", "cannot-be-read"} | set().union(*met.values())
    for homework, own in check.MISCONCEPTIONS.items():
        if homework == "any":
            assert set(own) <= anywhere
        else:
            assert set(own) == met[homework] - set(check.MISCONCEPTIONS["any"]), homework


def sections(lesson):
    cells = json.loads((ROOT / "notebooks" / f"{lesson}.ipynb").read_text(encoding="utf-8"))["cells"]
    text = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    return re.findall(r"^#+ (.+)$", text, flags=re.M)


@pytest.mark.parametrize("homework", check.MISCONCEPTIONS)
def test_the_table_is_whole_and_every_where_is_a_heading(homework):
    for slug, entry in check.MISCONCEPTIONS[homework].items():
        assert re.fullmatch(r"[a-z0-9-]+", slug)
        assert {"name", "why"} <= set(entry) <= {"name", "why", "lesson", "section"}, slug
        assert len(entry["name"]) <= 45 and entry["why"].endswith("."), slug
        if "section" in entry:
            lesson = entry.get("lesson") or LESSONS[homework]
            assert entry["section"] in sections(lesson), (slug, lesson, entry["section"])


# --- what the learner sees -------------------------------------------------------------------------------


def test_the_message_names_the_line_of_the_learners_own_code():
    def clean(df):
        columns = df.columns
        return df[columns[17]]

    not_yet = verdict(ANSWERS["hw03"], clean)
    assert not_yet.misconception == "raises" and "return df[columns[17]]" in not_yet.saw


def test_the_learners_own_prints_are_shown(capsys):
    def clean(df):
        print("rows:", len(df))

    verdict(ANSWERS["hw03"], clean)
    assert "rows: " in capsys.readouterr().out


def test_a_decorated_answer_is_told_its_own_line():
    @torch.no_grad()
    def sentence_vector(text, tokenizer, model):
        return model.no_such_layer(text)

    not_yet = verdict(ANSWERS["hw02"], sentence_vector)
    assert not_yet.misconception == "raises" and "return model.no_such_layer(text)" in not_yet.saw


def test_an_error_in_compiled_code_is_told_the_learners_line():
    def three_way_split(df, seed):
        return df.iloc[[np.arange(3), np.arange(3)]], df, df

    assert "return df.iloc[[" in verdict(ANSWERS["hw06"], three_way_split).saw


def test_a_method_that_is_gone_from_transformers_is_said_to_be_gone():
    def encode_all(messages, tokenizer):
        return tokenizer.batch_encode_plus(messages)["input_ids"]

    not_yet = verdict(ANSWERS["hw04"], (encode_all, max))
    assert not_yet.misconception == "gone-in-transformers-5" and "batch_encode_plus" in not_yet.saw


SAID = [
    ("hw11", "leak, the same text", "1 of the 48 test texts is also in the training set"),
    ("hw13", "everything", "with rows=8 and world_size=2, row 0 went to 2 ranks: 0, 1."),
    ("hw13", "twice each", "with rows=8 and world_size=2, row 0 came 2 times, on rank 0."),
    ("hw13", "without the last row", "no rank got row 7; 1 of 8 rows is missing."),
    ("hw13_combine", "swapped", "from [(4, 0.5, 3), (4, 1.5, 1)] you got loss 0.5, accuracy 1."),
]


@pytest.mark.parametrize(("homework", "name", "saw"), SAID)
def test_what_a_check_saw_is_said_in_plain_words(homework, name, saw):
    assert saw in verdict(ANSWERS[homework], ANSWERS[homework].WRONG[name][1]()).saw


def test_only_the_learners_own_time_counts(monkeypatch):
    """A large model takes the check longer; the limit is for the learner's code."""
    monkeypatch.setattr(_engine, "SECONDS", 0.3)

    @_engine.homework("03_loading_your_own_dataset")
    def slow_check(answer):
        with _engine.untimed():
            time.sleep(0.5)
        return str(_engine.call(answer))

    try:
        slow_check(lambda: 1)
        with pytest.raises(check.NotYet, match="was not done after"):
            slow_check(lambda: time.sleep(5))
    finally:
        del check.HOMEWORK["slow_check"], _engine.CHECKS["slow_check"]


def test_in_a_notebook_a_block_is_shown_and_no_traceback(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda data, raw: shown.append(data))
    monkeypatch.chdir(ROOT / "exercises" / "05_padding_and_masking")
    slug, answer = ANSWERS["hw05"].WRONG["mask by pad id"]
    not_yet = verdict(ANSWERS["hw05"], answer())
    lines = not_yet._render_traceback_()
    assert len(lines) == 1 and slug in lines[0]
    assert shown[0]["text/plain"] == str(not_yet)
    assert "color:" not in shown[0]["text/html"].replace("border-left", "")  # the theme's own, light or dark
    address = re.search('href="(.+?)"', shown[0]["text/html"])[1]
    lesson, cell = address.split("#cell-id=")
    assert lesson == "../../notebooks/05_padding_and_masking.ipynb"
    (source,) = [c["source"] for c in json.loads(Path(lesson).read_text(encoding="utf-8"))["cells"] if c["id"] == cell]
    assert "## Two ways to the mask" in "".join(source)


def test_on_colab_and_elsewhere_the_place_is_text(monkeypatch):
    not_yet = verdict(ANSWERS["hw07"], ...)
    assert 'href="' in not_yet._repr_html_()
    monkeypatch.setitem(sys.modules, "google.colab", None)
    assert "href" not in not_yet._repr_html_() and "notebooks/07_dataloaders.ipynb" in not_yet._repr_html_()


def test_progress_shows_what_has_passed(tmp_path):
    module = ANSWERS["hw03"]
    assert str(check.progress()).count("not yet") == len(check.HOMEWORK)
    verdict(module, next(iter(module.RIGHT.values()))())
    shown = check.progress()
    assert str(shown).count("not yet") == len(check.HOMEWORK) - 1
    assert time.strftime("%Y-%m-%d") in shown._repr_mimebundle_()["text/html"]
    for damaged in ("", "[1]", '{"03_loading_your_own_dataset": null', "\0"):
        (tmp_path / "homework.json").write_text(damaged)
        assert "not yet" in str(check.progress())


def test_a_homework_with_two_checks_has_passed_when_both_have(capsys):
    for name, passed in (("hw07", "none (0 of"), ("hw07_pad_batch", "07 (1 of")):
        verdict(ANSWERS[name], next(iter(ANSWERS[name].RIGHT.values()))())
        assert f"Homework passed on this machine: {passed}" in (printed := capsys.readouterr().out)
        assert ("Homework 07: 1 of its 2 checks." in printed) == (name == "hw07")


def test_a_disk_that_cannot_be_written_fails_no_answer(monkeypatch):
    monkeypatch.setenv("COURSE_RECORD", "/proc/nothing/homework.json")
    module = ANSWERS["hw03"]
    assert verdict(module, next(iter(module.RIGHT.values()))()) is None
