"""Every check: right answers pass, wrong ones are told apart, nothing that a learner hands over can break it.

tests/answers/NAME.py holds, for the check `NAME`:

- RIGHT: name -> answer; WRONG: name -> (slug, answer)
- judge(answer): hands an answer to the check, with the other arguments that it takes
- build(entry), optional: makes the answer of an entry of RIGHT or WRONG that is not one yet
"""

import importlib
import json
import random
import re
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ROOT
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from transfer_learning import check
from transfer_learning.check import _core

ANSWERS = {
    path.stem: importlib.import_module(f"answers.{path.stem}")
    for path in sorted((Path(__file__).parent / "answers").glob("[a-z]*.py"))
}
FUNCTIONS = [name for name in ANSWERS if name != "validation_loader"]


def build(module, entry):
    return getattr(module, "build", lambda entry: entry)(entry)


@pytest.fixture(autouse=True)
def own_progress_file(tmp_path, monkeypatch):
    monkeypatch.setattr(_core, "_file", lambda: tmp_path / "homework.json")


@pytest.fixture
def short_of_time(monkeypatch):
    """Hanging answers are tried for 1 s; one test below waits for the real limit."""
    monkeypatch.setattr(_core, "SECONDS", 1)


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
    assert set(ANSWERS) == set(check.HOMEWORK)
    for module in ANSWERS.values():
        assert len(module.RIGHT) >= 6 and len(module.WRONG) >= 15


@pytest.mark.parametrize(("homework", "name"), [(h, n) for h, module in ANSWERS.items() for n in module.RIGHT])
def test_a_right_answer_passes(homework, name, capsys):
    answer = build(ANSWERS[homework], ANSWERS[homework].RIGHT[name])
    started = time.perf_counter()
    not_yet = verdict(ANSWERS[homework], answer)
    seconds = time.perf_counter() - started
    assert not_yet is None, not_yet
    printed = capsys.readouterr().out
    assert printed.startswith("checking …") and "✔" in printed
    assert seconds < 6  # 2 s on an idle machine; CI is noisy


@pytest.mark.parametrize(("homework", "name"), [(h, n) for h, module in ANSWERS.items() for n in module.WRONG])
def test_a_wrong_answer_is_told_apart(homework, name, short_of_time):
    slug, entry = ANSWERS[homework].WRONG[name]
    not_yet = verdict(ANSWERS[homework], build(ANSWERS[homework], entry))
    assert not_yet is not None, "a wrong answer passed"
    assert not_yet.misconception == slug, not_yet
    assert not_yet.saw and not_yet.why and not_yet.where.startswith("lesson 0")


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
    return (function, function) if homework == "encoding" else function


@pytest.mark.parametrize("homework", FUNCTIONS)
@pytest.mark.parametrize(
    ("answer", "slug"), [(None, "nothing-yet"), (..., "nothing-yet"), (list, "not-a-function"), (3, "not-a-function")]
)
def test_what_is_no_function_is_said(homework, answer, slug):
    assert verdict(ANSWERS[homework], build_function(homework, answer)).misconception == slug


def test_the_real_time_limit():
    started = time.perf_counter()
    not_yet = verdict(ANSWERS["clean"], hangs)
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
    if homework != "validation_loader":
        answer = build_function(homework, answer)
    started = time.perf_counter()
    assert verdict(ANSWERS[homework], answer) is not None
    assert time.perf_counter() - started < 10


# --- the table of misconceptions -------------------------------------------------------------------------


def test_every_misconception_is_met_by_some_wrong_answer():
    met = {slug for module in ANSWERS.values() for slug, _ in module.WRONG.values()} | set(HOSTILE.values())
    met |= {"nothing-yet", "not-a-function", "cannot-be-read"}
    assert set(check.MISCONCEPTIONS) == met


def test_the_table_is_whole_and_points_to_headings_that_exist():
    users = {}
    for name, module in ANSWERS.items():
        for slug, _ in module.WRONG.values():
            users.setdefault(slug, set()).add(check.HOMEWORK[name])
    for slug, entry in check.MISCONCEPTIONS.items():
        assert re.fullmatch(r"[a-z0-9-]+", slug)
        assert {"name", "why"} <= set(entry) <= {"name", "why", "lesson", "section"}, slug
        assert len(entry["name"]) <= 40 and entry["why"].endswith("."), slug
        for lesson in [entry["lesson"]] if "lesson" in entry else users.get(slug, ()):
            path = ROOT / "notebooks" / f"{lesson}.ipynb"
            assert path.exists(), slug
            if "section" in entry:
                cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
                text = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
                assert re.search(rf"^#+ {re.escape(entry['section'])}$", text, flags=re.M), (
                    slug,
                    lesson,
                    entry["section"],
                )


# --- what the learner sees -------------------------------------------------------------------------------


def test_the_message_names_the_line_of_the_learners_own_code():
    def clean(df):
        columns = df.columns
        return df[columns[17]]

    not_yet = verdict(ANSWERS["clean"], clean)
    assert not_yet.misconception == "raises" and "return df[columns[17]]" in not_yet.saw


def test_the_learners_own_prints_are_shown(capsys):
    def clean(df):
        print("rows:", len(df))

    verdict(ANSWERS["clean"], clean)
    assert "rows: " in capsys.readouterr().out


def test_in_a_notebook_no_traceback_is_shown():
    lines = verdict(ANSWERS["validation_loader"], ...)._render_traceback_()
    assert lines[0] == "Not yet (nothing-yet)." and not any("Traceback" in line for line in lines)


def test_progress_shows_what_has_passed(tmp_path):
    module = ANSWERS["clean"]
    assert str(check.progress()).count("not yet") == len(check.HOMEWORK)
    verdict(module, build(module, next(iter(module.RIGHT.values()))))
    shown = check.progress()
    assert str(shown).count("not yet") == len(check.HOMEWORK) - 1
    assert time.strftime("%Y-%m-%d") in shown._repr_mimebundle_()["text/html"]
    for damaged in ("", "[1]", '{"03_loading_your_own_dataset": null', "\0"):
        (tmp_path / "homework.json").write_text(damaged)
        assert "not yet" in str(check.progress())


def test_a_disk_that_cannot_be_written_fails_no_answer(monkeypatch):
    monkeypatch.setattr(_core, "_file", lambda: Path("/proc/nothing/homework.json"))
    module = ANSWERS["clean"]
    assert verdict(module, build(module, next(iter(module.RIGHT.values())))) is None
