"""Lesson 09: the stored comparison, the claims made of it, and the check of `evaluate` on a classifier that trains."""

import importlib
import itertools
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import ROOT
from torch.utils.data import DataLoader, TensorDataset
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from transfer_learning import check, checkpoint, load_tweets, show

sys.path.append(str(ROOT / "benchmarks"))
import training
import what_transfer_buys as script

AGAIN = ("LoRA", "full")  # their rates were searched with all labels, too
DATA, BOTH = ("shipped", "real"), {"shipped": None, "real": None}


@pytest.fixture(scope="module")
def table():
    return script.stored()


@pytest.fixture(scope="module")
def difference(table):
    """Paired differences in macro-F1 of two methods: mean, and half the width of the 95 % interval."""
    scored = table.query("stage == 'score'").set_index(["data", "method", "weights", "labels", "seed"])
    scored = scored["macro_f1"].to_dict()

    def between(data, labels, a, b, weights=("square root", "square root")):
        sides = (a, weights[0]), (b, weights[1])
        f1 = [[scored[data, *side, labels, seed] for seed in script.SEEDS] for side in sides]
        return script.interval(np.subtract(*f1))

    return between


def test_every_point_is_there_once_with_five_seeds(table):
    """And nothing else is: no point of an earlier learning rate."""
    assert list(table) == script.COLUMNS
    jobs = list(
        itertools.chain(script.searches(BOTH), script.searches(BOTH, "all", AGAIN), *script.points(BOTH, table))
    )
    assert len(script.SEEDS) == 5 and len(jobs) == len(set(jobs)) == len(table)
    assert {tuple(job) for job in jobs} == script.done(table)
    assert table["macro_f1"].between(0, 1).all() and (table["seconds"] >= 0).all() and table["machine"].notna().all()


def test_all_are_treated_alike(table):
    """In each group of points that differ in method only; and no network stops because its epochs are over."""
    searched = table.query("stage == 'search'")
    assert not set(searched["seed"]) & set(script.SEEDS)
    searches = searched.groupby(["labels", "method", "data"]).size()
    assert (searches == 5 * len(script.SEARCH_SEEDS)).all()
    assert set(searches[200].index.levels[0]) == set(script.RATES) and len(searches) == 2 * len(script.RATES) + 2 * len(
        AGAIN
    )
    for data, method in itertools.product(DATA, script.RATES):
        assert script.learning_rate(table, data, method) in script.RATES[method]
    networks = table[table["method"].isin(script.MODELS)]
    longer = (networks["method"] == "scratch") + 1
    assert (networks["epochs"] == networks["labels"].map(script.EPOCHS) * longer).all()
    assert networks["epoch"].between(1, networks["epochs"]).all()


# what the lesson says is ahead; the other comparisons it calls too close to tell
AHEAD = [
    *((data, size, "full", "TF-IDF") for data in DATA for size in script.SIZES),
    *((data, size, "full", "scratch") for data in DATA for size in (800, "all")),
    ("shipped", 200, "full", "scratch"),
    *(("shipped", size, "frozen", "TF-IDF") for size in script.SIZES),
    *(("real", size, "frozen", "TF-IDF") for size in (50, 200, 800)),
    *((data, "all", "full", "frozen") for data in DATA),
    ("real", 50, "frozen", "full"),
    *((data, size, "full", "LoRA") for data in DATA for size in (800, "all")),
    *((data, 50, "scratch", "TF-IDF") for data in DATA),
    *((data, "all", "TF-IDF", "scratch") for data in DATA),
    *((data, 200, "frozen", f"frozen, {place}") for data in DATA for place in ("last layer", "[CLS]")),
    *((data, 200, "full", "frozen, [CLS]") for data in DATA),
]
CLOSE = [
    *((data, 50, "full", "scratch") for data in DATA),
    *((data, size, "full", "frozen") for data in DATA for size in (200, 800)),
    ("shipped", 50, "full", "frozen"),
    ("real", "all", "frozen", "TF-IDF"),
]


@pytest.mark.parametrize(("data", "labels", "better", "worse"), AHEAD)
def test_what_is_called_ahead_is_ahead(difference, data, labels, better, worse):
    mean, half = difference(data, labels, better, worse)
    assert mean - half > 0


@pytest.mark.parametrize(("data", "labels", "a", "b"), CLOSE)
def test_what_is_called_too_close_to_tell_is_close(difference, data, labels, a, b):
    mean, half = difference(data, labels, a, b)
    assert abs(mean) < half


def test_class_weights_help_with_200_real_labels_and_not_clearly_with_all(difference):
    for method in ("full", "frozen", "LoRA", "TF-IDF"):
        for labels in (200, "all"):
            mean, half = difference("real", labels, method, method, ("balanced", "none"))
            assert (mean - half > 0) == (labels == 200 and method != "LoRA") and mean + half > 0


@pytest.mark.parametrize("data", DATA)
def test_lora_is_never_ahead_of_full_finetuning(difference, data):
    for labels in script.SIZES:
        mean, half = difference(data, labels, "LoRA", "full")
        assert mean < 0 or mean < half


def test_loras_rate_is_too_high_for_all_real_labels_and_that_of_full_finetuning_is_not(table):
    mean = table.query("stage == 'search'").groupby(["data", "method", "labels", "value"])["macro_f1"].mean()
    assert script.learning_rate(table, "real", "LoRA") == mean["real", "LoRA", 200].idxmax() == 0.004
    assert mean["real", "LoRA", "all"].idxmax() == 0.002 and mean["real", "LoRA", "all", 0.004] < 0.25
    for data in DATA:
        assert mean[data, "full", "all"].idxmax() == script.learning_rate(table, data, "full")


@pytest.mark.parametrize("data", DATA)
def test_the_gap_between_pretrained_and_random_weights_grows(difference, data):
    gaps = [difference(data, labels, "full", "scratch")[0] for labels in script.SIZES]
    assert gaps == sorted(gaps)


def test_transfer_saves_labels(table):
    mean = table.query("stage == 'score' and weights == 'square root'").groupby(["data", "labels", "method"])
    mean = mean["macro_f1"].mean()
    for method in ("full", "frozen"):
        assert mean["shipped", 200, method] > mean["shipped", "all", "TF-IDF"]
    for data, labels in itertools.product(DATA, script.SIZES):  # scratch has been trained
        assert mean[data, labels, "scratch"] > mean[data, labels, "always Pro"] + 0.15


@pytest.fixture(scope="module")
def data():
    """The course's own tweets; made once, which takes a second."""
    return script.tweets(training.SHIPPED)


def test_the_script_computes_what_is_stored(table, data):
    stored = table.query("stage == 'score' and data == 'shipped' and labels == 50 and method == 'TF-IDF'")
    for row in stored.itertuples():
        job = script.Job("score", "shipped", "TF-IDF", 50, "square root", row.seed, 0)
        found = dict(zip(script.COLUMNS, script.run(job, training.SHIPPED)))
        assert found["macro_f1"] == pytest.approx(row.macro_f1, abs=1e-3)
        assert found["accuracy"] == pytest.approx(row.accuracy, abs=1e-3) and found["value"] == row.value


def test_no_text_and_no_group_is_in_two_parts(data):
    assert len(set(data.texts)) == len(data.texts)
    for seed in (script.SEEDS[0], script.SEARCH_SEEDS[0]):
        parts = data.parts(seed)
        assert sorted(np.concatenate(parts)) == list(range(len(data.texts)))
        for a, b in itertools.combinations(parts, 2):
            assert not set(data.groups[a]) & set(data.groups[b])
        drawn = data.draw(parts[0], 200, seed)
        assert len(set(drawn)) == 200 and set(drawn) <= set(parts[0])


def test_class_weights_have_mean_one():
    labels = np.array([0, 1, 1, 2, 2, 2, 2, 3])
    for power in script.WEIGHTS.values():
        weights = training.class_weights(labels, power)
        assert np.mean(weights[labels]) == pytest.approx(1)
    assert (training.class_weights(labels, 0) == 1).all()
    assert training.class_weights(labels, 1) * np.bincount(labels) == pytest.approx(2)


def test_the_rate_chosen_is_the_smallest_within_one_standard_error():
    means = dict(zip(script.RATES["full"], (0.5, 0.58, 0.6, 0.59, 0.4)))
    rows = [("search", "shipped", "full", 200, "square root", seed, rate, mean + spread)
            for rate, mean in means.items() for seed, spread in zip(script.SEARCH_SEEDS, (-0.04, 0, 0.04))]  # fmt: skip
    table = pd.DataFrame(rows, columns=[*script.KEY, "macro_f1"])
    assert script.learning_rate(table, "shipped", "full") == script.RATES["full"][1]
    assert script.learning_rate(table, "shipped", "TF-IDF") == 0


def test_the_script_goes_on_where_it_was_stopped(tmp_path, monkeypatch, capsys):
    jobs = [script.Job("score", "shipped", "always Pro", size, "square root", 0, 0) for size in (50, 200, "all")]
    monkeypatch.setattr(script, "TABLE", tmp_path / "table.csv")
    threads = script.futures.ThreadPoolExecutor  # processes would import torch anew
    monkeypatch.setattr(script.futures, "ProcessPoolExecutor", lambda number, *_: threads(number))
    assert script.run_all(jobs[:2], {"shipped": training.SHIPPED}, 1, float("inf"))
    once = script.TABLE.read_text()
    assert once.count("\n") == 3
    assert not script.run_all(jobs, {"shipped": training.SHIPPED}, 1, 0)  # no time left: nothing new is begun
    assert script.TABLE.read_text() == once
    assert script.run_all(jobs, {"shipped": training.SHIPPED}, 1, float("inf"))
    assert script.TABLE.read_text().startswith(once) and script.TABLE.read_text().count("\n") == 4
    assert script.done(script.stored()) == {tuple(job) for job in jobs}
    capsys.readouterr()


def test_a_right_answer_passes_the_check_on_a_model_that_trains(tmp_path, monkeypatch):
    """Lesson 08's classifier after a few steps; the last batch is smaller."""
    monkeypatch.setenv("COURSE_RECORD", str(tmp_path / "homework.json"))  # the learner's own record is left alone
    (answers,) = (ROOT / "tests" / "answers").glob("*_evaluate.py")
    evaluate = next(iter(importlib.import_module(f"answers.{answers.stem}").RIGHT.values()))
    name = checkpoint("bert-base-uncased")
    tokenizer = AutoTokenizer.from_pretrained(name)
    df = load_tweets()[:22]
    batch = tokenizer(list(df["message"]), padding="max_length", truncation=True, max_length=50, return_tensors="pt")
    labels = torch.tensor(df["sentiment"].to_numpy() + 1)
    loader = DataLoader(TensorDataset(batch["input_ids"], batch["attention_mask"], labels), batch_size=8)
    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_pretrained(name, num_labels=4)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    for input_ids, attention_mask, labels in loader:
        model(input_ids=input_ids, attention_mask=attention_mask, labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    assert check.evaluate(evaluate, model, loader) is None


def test_confusion_says_what_it_shows():
    figure = show.confusion([[3, 1], [0, 2]], ["Anti", "Pro"])
    assert figure.alt == "Confusion matrix: of 4 Anti, 3 called Anti, 1 called Pro; of 2 Pro, 2 called Pro"


def test_the_bar_is_the_median():
    assert show.bars({"a": [1, 2, 5, 9], "b": [3]}, "s").alt == "a: 3.50 s (1.00 to 9.00 s); b: 3.00 s"


def test_curves_name_the_points_measured_here():
    lines = {"a": ([50, 200], [[0.1, 0.2], [0.3, 0.4]]), "b": ([50, 200], [[0.5, 0.6]])}
    figure = show.curves(lines, "labels", "score", points={"a": [(200, 0.35), (50, 0.2), (50, 0.3)]})
    assert figure.alt.endswith("b from 0.50 at 50 to 0.60 at 200; stars, measured here: a at 50 and 200")
    stars = [part for ax in figure.axes for part in ax.collections if len(part.get_offsets()) == 3]
    assert len(stars) == 1


def test_the_positions_of_curves_may_be_names():
    lines = {"a": (["200", "all"], [[0.1, 0.2], [0.3, 0.4]])}
    figure = show.curves(lines, "labels", "score", points={"a": [("200", 0.35)]})
    assert "a from 0.20 at 200 to 0.30 at all (0.20 to 0.40 over 2 runs)" in figure.alt
    assert figure.alt.endswith("a at 200")
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["200", "all"]
