"""What lesson 10 builds is fast, and still right; what benchmarks/ measured is what the lessons show."""

import subprocess
import sys

import pandas as pd
import pytest
import torch
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(ROOT / "benchmarks"))


@pytest.fixture(scope="module")
def ways():
    import ways

    return ways


def right(ways, texts):
    """What the tokenizer itself says."""
    rust = ways.L.tokenizer
    batch = rust(texts, padding="max_length", truncation=True, max_length=ways.L.MAX_LEN, return_tensors="pt")
    return batch["input_ids"], batch["attention_mask"].sum(1)


def test_the_same_ids_on_hostile_strings_one_by_one_and_together(ways):
    for texts in [[text] for text in ways.HOSTILE] + [ways.HOSTILE]:
        (ids, lengths), (wanted, sizes) = ways.L.prepare(texts), right(ways, texts)
        assert torch.equal(ids.long(), wanted) and torch.equal(lengths.long(), sizes), texts[0][:50]


any_text = st.text() | st.text(st.sampled_from(" aéÅ\u0301\u0338.,，\u201a\u037e≠!@^_`{=[]MASKSEP中😀\n\x00\u200d"))


@settings(max_examples=200, deadline=None, derandomize=True)
@given(texts=st.lists(any_text, min_size=1, max_size=30))
def test_the_same_ids_on_any_strings(ways, texts):
    (ids, lengths), (wanted, sizes) = ways.L.prepare(texts), right(ways, texts)
    assert torch.equal(ids.long(), wanted) and torch.equal(lengths.long(), sizes)


def test_the_settings_of_a_call_before_do_no_harm(ways):
    """A tokenizer keeps the padding and truncation of its last call."""
    right(ways, ["some text"])
    assert ways.L.prepare(["climate change"])[1].tolist() == [4]


@pytest.mark.parametrize("rows", [1, 31, 32, 33, 1000])
def test_every_row_comes_once_an_epoch_in_another_order_each_time(ways, rows):
    lengths = torch.randint(5, 64, (rows,))
    for sampler in (ways.L.WholeBatches(rows), ways.L.SimilarLengths(lengths)):
        first, second = ([list(map(int, batch)) for batch in sampler] for _ in range(2))
        for batches in (first, second):
            assert sorted(row for batch in batches for row in batch) == list(range(rows))
            assert len(batches) == len(sampler) and max(map(len, batches)) <= 32
        assert rows < 32 or first != second


def test_batches_of_similar_lengths_are_hardly_padded(ways):
    torch.manual_seed(0)
    lengths = (torch.randn(10_000) * 9 + 38).clamp(5, 64).int()
    dataset = torch.utils.data.TensorDataset(torch.zeros(10_000, 64, dtype=torch.int32), lengths, lengths)
    share = {}
    for way, loader in ways.L.loaders(dataset).items():
        masks = [batch["attention_mask"] for batch in loader]
        share[way] = 1 - float(sum(mask.sum() for mask in masks)) / sum(mask.numel() for mask in masks)
    fixed, longest, similar = share.values()
    assert fixed > longest > similar and similar < 0.03


def test_a_batch_is_what_the_tokenizer_would_make_of_its_texts(ways):
    texts = ["a", "climate change is real", "the ice at the poles is melting"]
    dataset = torch.utils.data.TensorDataset(*ways.L.prepare(texts), torch.tensor([0, 1, 2]))
    for loader in list(ways.L.loaders(dataset).values())[1:]:
        (batch,) = loader
        wanted = ways.L.tokenizer(
            [texts[label] for label in batch["labels"].tolist()], padding=True, return_tensors="pt"
        )
        for name in ("input_ids", "attention_mask"):
            assert torch.equal(batch[name].cpu().long(), wanted[name])


@pytest.fixture(scope="module")
def table():
    return pd.read_csv(ROOT / "benchmarks" / "speed.csv")


def times(table, part, way, data=None):
    rows = table[(table["part"] == part) & (table["way"] == way)]
    return rows[rows["data"] == data] if data else rows


# on 5,000 tweets what is paid once, whatever the rows, weighs more: there the aims of 10 and of half the memory are missed
@pytest.mark.parametrize("data, old, peer", [("course", 20, 5), ("real", 9, 3)])
def test_the_stored_table_holds_what_the_lesson_claims(table, data, old, peer):
    here = times(table, "prepare", "this lesson", data)
    assert here["times"].item() >= old
    assert (
        times(table, "prepare", "datasets.map(batched=True)", data)["seconds"].item() >= peer * here["seconds"].item()
    )
    bare = times(table, "prepare", "bare Rust tokenizer, the call alone", data)
    assert here["seconds"].item() <= 1.25 * bare["seconds"].item()
    assert times(table, "padding", "similar lengths", data)["value"].item() < 3
    assert times(table, "unequal", "this lesson", data)["value"].item() == 0


def test_the_stored_table_on_memory_fetching_and_training(table):
    old, here = (
        times(table, "prepare", way, "course")["megabytes"].item() for way in ("the old tutorial", "this lesson")
    )
    assert here <= old / 2
    assert times(table, "fetch", "whole batches")["times"].item() >= 3
    steps = table[table["part"] == "train"].set_index("way")["times"]
    assert steps["and frozen embeddings"] >= 2.4
    assert steps["and frozen embeddings"] >= 2 * steps["Trainer, batches of 32"]
    scores = table[table["part"] == "score"].set_index("way")
    assert scores["value"]["all steps"] >= scores["low"]["as in lesson 08"]


def test_what_the_lesson_says_of_the_gpu():
    gpu = pd.read_csv(ROOT / "benchmarks" / "speed_gpu.csv")
    assert gpu["machine"].nunique() == 1 and "NVIDIA" in gpu["machine"][0]
    gain = gpu[gpu["part"].isin(["train", "compile"])].set_index("way")["times"]
    assert gain["similar lengths"] < 1.2 and gain["similar lengths, bfloat16"] < 1.2
    assert gain["torch.compile, after its first epoch"] > gain["and frozen embeddings"] > 1.2
    rate = gpu[gpu["part"] == "batch"].set_index("way")["value"]
    assert rate["batches of 512"] > 10 * rate["batches of 32"]


def test_time_and_memory_grow_at_most_as_the_rows_do(table):
    grown = table[table["part"] == "grow"]
    for way, rows in grown.groupby("way"):
        small, large = rows.sort_values("rows").iloc[0], rows.sort_values("rows").iloc[-1]
        factor = large["rows"] / small["rows"]
        assert large["seconds"] <= 1.25 * factor * small["seconds"], way
        assert large["megabytes"] <= (2 if way == "streaming" else 1.15 * factor) * small["megabytes"], way


def test_the_benchmark_runs_and_measures_what_it_says(tmp_path, table):
    command = [sys.executable, str(ROOT / "benchmarks" / "speed.py"), "--parts", "fetch", "padding", "batch"]
    few = ["--rounds", "1", "--rows", "3000", "--train-rows", "24", "--store", str(tmp_path / "speed.csv")]
    done = subprocess.run([*command, *few], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    stored = pd.read_csv(tmp_path / "speed.csv")
    assert list(stored) == list(table) and stored["machine"].notna().all()
    assert {"item by item", "similar lengths", "batches of 8"} <= set(stored["way"])
    assert "item by item" in done.stdout and "similar lengths" in done.stdout
    wrong = subprocess.run([*command[:2], "--parts", "speed"], capture_output=True, text=True)
    assert wrong.returncode == 2 and "prepare" in wrong.stderr
