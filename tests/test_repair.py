"""Lesson 10's repair: which texts are chosen, whose labels count, what is kept; and the tables of its two scripts."""

import dataclasses
import json
import re
import sys
from hashlib import sha256

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT, code_cells

from transfer_learning import LABELS

sys.path.append(str(ROOT / "benchmarks"))
DATA = ROOT / "data"


# Choosing texts


@pytest.fixture(scope="module")
def repair():
    import repair

    return repair


TEXTS = [f"text {n}" if n % 3 else f"this is not text {n}" for n in range(60)]


def chosen(repair, how, n=20, taken=(1, 2, 3), seed=0, wrong=2):
    random = np.random.default_rng(5)
    probabilities, vectors = random.dirichlet(np.ones(4), 60), random.normal(size=(60, 8))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return repair.choose(how, n, TEXTS, probabilities, vectors, vectors[:wrong], np.array(taken, int), seed).tolist()


@pytest.mark.parametrize("how", ["random", "uncertain", "half", "spread", "contrasts", "neighbours"])
def test_new_texts_are_chosen_each_once(how, repair):
    rows = chosen(repair, how)
    assert len(set(rows)) == len(rows) == 20 and not {1, 2, 3} & set(rows)
    assert rows == chosen(repair, how)
    assert len(chosen(repair, how, n=57)) == 57


def test_uncertain_texts_are_those_with_the_closest_two(repair):
    probabilities = np.array([[0.5, 0.3, 0.2], [0.4, 0.4, 0.2], [0.9, 0.1, 0.0], [0.34, 0.33, 0.33]])
    assert repair.least_sure(probabilities).tolist() == [1, 3, 0, 2]


def test_neighbours_come_from_all_sentences_in_turn(repair):
    vectors = np.eye(4)
    wrong = np.array([[0.9, 0.8, 0, 0], [0, 0, 0.9, 0.8]])
    assert repair.neighbours(vectors, wrong) == [0, 2, 1, 3]


def test_half_of_the_contrasts_have_a_word_like_not(repair):
    rows = chosen(repair, "contrasts", taken=())
    assert sum("not" in TEXTS[row] for row in rows[:10]) == 10


# What the scripts stored


def test_repair_stored_what_the_lesson_shows():
    table = pd.read_csv(DATA / "repair.csv")
    assert table.groupby(["file", "stage", "class"])["seed"].apply(sorted).map(tuple).unique().tolist() == [
        tuple(range(5))
    ]
    assert set(table["stage"]) == {"before", "round one", "round two"}
    for file in ("dev", "sealed"):
        counts = pd.read_csv(DATA / f"behaviour_{file}.csv")["label"].value_counts().to_dict()
        own = table[table["file"] == file]
        assert own.groupby("class")["n"].first().to_dict() == counts | {"all": sum(counts.values())}
        parts = own[own["class"] != "all"].groupby(["seed", "stage"])["right"].sum()
        assert parts.equals(own[own["class"] == "all"].set_index(["seed", "stage"])["right"].sort_index())
    tried = pd.read_csv(DATA / "repair_settings.csv")
    assert tried["kept"].sum() == 1 and (tried["seeds"] == 5).all()
    kept = tried[tried["kept"]].iloc[0]
    assert kept["validation"] >= -0.01 and kept["tokens"] <= 80_000
    from repair import kept as setting

    assert dataclasses.asdict(setting(DATA / "repair_settings.csv"))["more"] == kept["more"]


def test_active_learning_is_paired():
    import active_learning

    table = pd.read_csv(DATA / "active_learning.csv")
    assert (table.groupby(["data", "classifier", "strategy"])["seed"].nunique() == 40).all()
    start = table.pivot(index=["data", "classifier", "seed"], columns="strategy", values="20")
    assert (start["random"] == start["uncertainty"]).all()
    gains = active_learning.paired(table)
    assert set(gains["data"]) == {"shipped", "real"} and (gains["ahead"] <= 40).all()


def test_both_strategies_ask_for_as_many_texts():
    import active_learning

    random = np.random.default_rng(0)
    X = random.normal(size=(500, 5))
    y = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0)
    pool, test = np.arange(420), np.arange(420, 500)
    curves = [active_learning.curve(X, y, pool, test, how, 1, "balanced") for how in active_learning.STRATEGIES]
    assert len(curves[0]) == len(curves[1]) == len(active_learning.SIZES) and curves[0][0] == curves[1][0]
    assert pool.tolist() == list(range(420))  # not reordered for the next one


# The lesson's own cells, on few rows


@pytest.fixture(scope="module")
def lesson(tmp_path_factory):
    """The names that the lesson's cells have defined, after a reader labelled one of the texts."""
    folder = tmp_path_factory.mktemp("work")
    patch = pytest.MonkeyPatch()
    patch.setenv("COURSE_WORK", str(folder))
    patch.delenv("TWEETS_CSV", raising=False)
    patch.chdir(ROOT / "notebooks")
    names = {"__name__": "lesson"}
    try:
        for cell in code_cells("10"):
            source = cell.source
            if cell.id == "09-04":
                source += "\ntest, train = test[:12], train[:40]"
            for more, fewer in {
                "(400,": "(40,",
                "(300,": "(16,",
                " * 4": "",
                "chosen = shuffled\n": "chosen = shuffled[:60]\n",
            }.items():
                source = source.replace(more, fewer)
            exec(source, names)
            if cell.id == "09-b11":  # the reader labels the first text, and calls it News
                names["mine"].label("News")
                names["first"] = names["reserve"]["text"][names["chosen"][0]]
    finally:
        patch.undo()
    return names | {"folder": folder}


@pytest.mark.slow
def test_the_readers_labels_count_and_the_others_are_given(lesson):
    numbers, gold = lesson["label_numbers"](lesson["chosen"]), lesson["reserve"]["label"][lesson["chosen"]]
    assert numbers[0] == 3 and numbers[1:] == [lesson["names"].index(label) for label in gold[1:]]


@pytest.mark.slow
def test_the_lesson_writes_no_label_into_the_readers_file(lesson):
    lines = (lesson["folder"] / "my_labels.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["text"] for line in lines] == [lesson["first"]]


@pytest.mark.slow
def test_each_text_is_labelled_once(lesson):
    assert len(lesson["chosen"]) == len(set(lesson["chosen"])) == 60


@pytest.mark.slow
def test_the_repaired_classifier_is_kept_beside_the_other(lesson):
    from transformers import pipeline

    assert sorted(path.name for path in lesson["folder"].iterdir()) == ["classifier_repaired", "my_labels.jsonl"]
    tool = pipeline("text-classification", model=str(lesson["folder"] / "classifier_repaired"), device="cpu")
    assert [answer["label"] for answer in tool(lesson["few"])] == lesson["classify"](lesson["few"])


@pytest.mark.slow
def test_lesson_08s_classifier_is_known_by_its_rows(lesson, monkeypatch):
    monkeypatch.chdir(ROOT / "notebooks")  # the lesson's paths are relative
    (cell,) = (c for c in code_cells("10") if c.id == "09-b3")
    names = dict(lesson)
    saved = lesson["folder"] / "classifier"
    lesson["before"].save_pretrained(saved)
    checksum = sha256("\n".join(lesson["train"]["message"]).encode()).hexdigest()
    for text, known in ((checksum, True), ("another", False)):
        (saved / "trained_on.json").write_text(json.dumps({"sha256": text, "rows": 40}))
        exec(cell.source, names)
        assert names["known"] is known
    assert re.search(
        r'sha256\("\\n"\.join\(train\["message"\]\)',
        "".join(c.source for c in code_cells("08")),
    )
    assert list(LABELS.values()) == names["names"]
