"""Lesson 08: the stored learning curves, the claims made of them, and the check of `evaluate` on the lesson's model."""

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
import learning_curves


@pytest.fixture(scope="module")
def table():
    return pd.read_csv(learning_curves.TABLE)


@pytest.fixture(scope="module")
def mean(table):
    """Mean macro-F1 over the seeds, by data, labels and method."""
    return table.groupby(["data", "labels", "method"])["macro_f1"].mean()


def test_every_point_is_there_once_with_three_seeds(table):
    assert list(table) == learning_curves.COLUMNS
    points = learning_curves.plan(["real", "shipped"])
    assert len(points) == 2 * 3 * 3 * 6  # data sets, seeds, numbers of labels, methods
    assert sorted(table[learning_curves.KEY].itertuples(index=False, name=None)) == sorted(points)
    assert table["macro_f1"].between(0, 1).all() and (table["seconds"] > 0).all()


# on real tweets, where all methods lie closer together, it is 0.19
@pytest.mark.parametrize(("data", "ahead"), [("shipped", 0.20), ("real", 0.15)])
def test_pretrained_is_ahead_of_random_weights(mean, data, ahead):
    assert mean[data, 200, "finetuned"] - mean[data, 200, "scratch"] >= ahead


@pytest.mark.parametrize("labels", [200, 800])
def test_two_votes_beat_counted_words_on_real_tweets(mean, labels):
    assert mean["real", labels, "two votes"] - mean["real", labels, "TF-IDF"] >= 0.06


@pytest.fixture(scope="module")
def data():
    """The course's own tweets in the parts of the split; made once, which takes a second."""
    return learning_curves.Data()


def test_the_script_computes_what_is_stored(table, data):
    stored = table.query("data == 'shipped' and labels == 50 and method == 'TF-IDF'").set_index("seed")["macro_f1"]
    for seed in learning_curves.SEEDS:
        assert learning_curves.score(data, "TF-IDF", 50, seed) == pytest.approx(stored[seed], abs=1e-3)


def test_no_text_and_no_group_is_in_two_parts(data):
    parts = {"pool": data.pool, "dev": data.dev, "test": data.test}
    assert sorted(np.concatenate(list(parts.values()))) == list(range(len(data.texts)))
    for a, b in itertools.combinations(parts.values(), 2):
        assert not set(data.groups[a]) & set(data.groups[b])
    drawn = data.sample(200, seed=0)
    assert len(set(drawn)) == 200 and set(drawn) <= set(data.pool)


def test_the_script_goes_on_where_it_was_stopped(tmp_path, monkeypatch, data):
    monkeypatch.setattr(learning_curves, "TABLE", tmp_path / "learning_curves.csv")
    monkeypatch.setattr(learning_curves, "Data", lambda path: data)
    monkeypatch.setattr(torch, "set_num_threads", lambda number: None)  # the script's is for a process of its own
    monkeypatch.setattr(learning_curves, "plan", lambda names: [(*names, 50, "TF-IDF", seed) for seed in (0, 1)])
    monkeypatch.setattr(sys, "argv", ["learning_curves.py"])
    learning_curves.main()
    once = (tmp_path / "learning_curves.csv").read_text()
    assert once.count("\n") == 3
    (tmp_path / "learning_curves.csv").write_text(once[: once.rindex("shipped")])
    learning_curves.main()
    again = pd.read_csv(tmp_path / "learning_curves.csv")
    assert again["seed"].tolist() == [0, 1]
    assert again["macro_f1"].tolist() == [float(line.split(",")[4]) for line in once.splitlines()[1:]]


def test_a_right_answer_passes_the_check_on_the_lessons_model(tmp_path, monkeypatch):
    """The lesson's classifier after a few steps, in the lesson's kind of loader; the last batch is smaller."""
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


def test_curves_name_the_points_measured_here():
    lines = {"a": ([50, 200], [[0.1, 0.2], [0.3, 0.4]]), "b": ([50, 200], [[0.5, 0.6]])}
    figure = show.curves(lines, "labels", "score", points={"a": [(200, 0.35), (50, 0.2), (50, 0.3)]})
    assert figure.alt.endswith("b from 0.50 at 50 to 0.60 at 200; stars, measured here: a at 50 and 200")
    stars = [part for ax in figure.axes for part in ax.collections if len(part.get_offsets()) == 3]
    assert len(stars) == 1
