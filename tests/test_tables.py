"""Storing measurements: twice is as good as once, and no other machine's or data set's rows are lost."""

import sys
import types

import pandas as pd
import pytest
import torch
from conftest import ROOT

sys.path.append(str(ROOT / "benchmarks"))
import run_lessons
import speed
import tables

KEY = ["lesson", "machine"]


def frame(*rows):
    return pd.DataFrame(rows, columns=["lesson", "machine", "seconds"])


def stored(path):
    return list(pd.read_csv(path).itertuples(index=False, name=None))


def test_the_last_of_equal_keys_is_kept_where_the_first_was(tmp_path):
    path = tmp_path / "table.csv"
    tables.store(path, frame(("one", "a", 1.0), ("two", "a", 2.0)), KEY)
    tables.store(path, frame(("three", "b", 3.0), ("one", "a", 9.0)), KEY)
    assert stored(path) == [("one", "a", 9.0), ("two", "a", 2.0), ("three", "b", 3.0)]
    assert [file.name for file in tmp_path.iterdir()] == ["table.csv"]


def test_sorted_on_request(tmp_path):
    tables.store(tmp_path / "table.csv", frame(("b", "x", 1), ("a", "y", 2), ("a", "x", 3)), KEY, sort=True)
    assert stored(tmp_path / "table.csv") == [("a", "x", 3), ("a", "y", 2), ("b", "x", 1)]


def test_a_missing_key_is_equal_to_a_missing_key():
    old = frame(("one", None, 1.0), ("one", "a", 2.0))
    assert tables.merge(old, frame(("one", None, 3.0)), KEY)["seconds"].tolist() == [3.0, 2.0]


def test_of_equal_keys_in_one_run_the_last_is_kept():
    assert tables.merge(frame(), frame(("one", "a", 1.0), ("one", "a", 2.0)), KEY)["seconds"].tolist() == [2.0]


def test_a_run_stopped_while_storing_leaves_the_older_file(tmp_path, monkeypatch):
    path = tmp_path / "table.csv"
    tables.store(path, frame(("one", "a", 1.0)), KEY)
    before = path.read_bytes()

    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(tables.os, "replace", stopped)
    with pytest.raises(KeyboardInterrupt):
        tables.store(path, frame(("one", "a", 2.0)), KEY)
    assert path.read_bytes() == before


@pytest.fixture
def benchmark(tmp_path, monkeypatch):
    """The benchmark with its measurements replaced; call it with the machine, the parts and the options."""
    path, seconds = tmp_path / "speed.csv", iter(range(1, 100))

    def row(part, data, variant="similar lengths"):
        return [{"part": part, "data": data, "rows": 10, "way": variant, "seconds": float(next(seconds))}]

    (tmp_path / "real.csv").write_text("sentiment,message,tweetid\n1,It is warm.,1\n", encoding="utf-8")
    monkeypatch.setattr(speed, "padding", lambda files: [one for data, *_ in files for one in row("padding", data)])
    monkeypatch.setattr(speed, "fetch", lambda files, rounds: row("fetch", files[0][0]))
    monkeypatch.setattr(speed, "train", lambda data, *_: row("train", data) + row("compile", data))

    def run(machine, *parts, real=False):
        monkeypatch.setattr(speed, "machine", lambda: machine)
        tweets = ["--tweets", str(tmp_path / "real.csv")] if real else []
        speed.main(["--rows", "10", "--store", str(path), *tweets, "--parts", *parts])
        return pd.read_csv(path)

    return run


def seconds(table):
    return table.set_index(["part", "data", "machine"])["seconds"].to_dict()


def test_the_benchmark_stored_twice_has_each_row_once(benchmark):
    once = benchmark("laptop", "fetch", "padding", real=True)
    twice = benchmark("laptop", "fetch", "padding", real=True)
    assert once[speed.KEY].equals(twice[speed.KEY]) and len(twice) == 3
    assert (twice["seconds"] > once["seconds"]).all()  # the later run's figures


def test_the_benchmark_keeps_other_rows(benchmark):
    before = seconds(benchmark("laptop", "fetch", "padding", real=True))
    after = seconds(benchmark("laptop", "padding"))  # the course's tweets alone
    assert {key for key in before if before[key] != after[key]} == {("padding", "course", "laptop")}
    there = seconds(benchmark("server", "fetch", "padding", real=True))
    assert {key: there[key] for key in after} == after and len(there) == 2 * len(after)


def test_only_parts_with_a_network_name_its_size(benchmark, monkeypatch):
    def network(weights):  # in place of the module, which takes seconds to import
        model = types.SimpleNamespace(parameters=lambda: [torch.empty(weights)])
        monkeypatch.setitem(sys.modules, "pipelines", types.SimpleNamespace(new_model=lambda: model))

    network(20)
    benchmark("laptop", "padding")
    small = benchmark("laptop", "padding", "train")
    assert small.set_index("part")["weights"].dropna().to_dict() == {"train": 20, "compile": 20}
    assert len(small) == 3  # padding once, though the first run had no network
    network(110)
    assert benchmark("laptop", "train")["weights"].tolist()[1:] == [20, 20, 110, 110]  # of either network


def test_lessons_on_other_tweets_and_machines_keep_their_rows(tmp_path, monkeypatch):
    path = tmp_path / "lessons.csv"
    monkeypatch.setattr(run_lessons, "STORED", path)
    monkeypatch.delenv("TRANSFER_LEARNING_SOURCE", raising=False)
    monkeypatch.delenv("TWEETS_CSV", raising=False)
    for machine, tweets, took in (
        ("laptop", None, 10.0),
        ("laptop", "real.csv", 20.0),
        ("server", None, 5.0),
        ("laptop", str(ROOT / "data" / "climate_tweets.csv"), 11.0),  # named, it is still the course's file
    ):
        monkeypatch.setattr(run_lessons, "machine", lambda machine=machine: machine)
        if tweets:
            monkeypatch.setenv("TWEETS_CSV", tweets)
        else:
            monkeypatch.delenv("TWEETS_CSV", raising=False)
        run_lessons.store([("03_loading", None, took, 2**30)])
    rows = pd.read_csv(path)[["machine", "data", "seconds"]].itertuples(index=False, name=None)
    assert list(rows) == [("laptop", "course", 11), ("laptop", "real.csv", 20), ("server", "course", 5)]


@pytest.mark.parametrize(
    "file, key",
    [
        ("benchmarks/speed.csv", speed.KEY),
        ("benchmarks/speed_gpu.csv", speed.KEY),
        ("benchmarks/lessons.csv", run_lessons.KEY),
    ],
)
def test_stored_tables_have_each_row_once(file, key):
    table = pd.read_csv(ROOT / file)
    assert not table.duplicated(key).any()
    pd.testing.assert_frame_equal(tables.merge(table, table, key), table)
