"""Lesson 11 on files of other kinds: its cells run to the end and the folder passes the check, or a clear sentence says why not."""

import json

import pandas as pd
import pytest
from conftest import ROOT, code_cells
from huggingface_hub import ModelCard, ModelCardData

from transfer_learning import load_texts
from transfer_learning.check import hw11_project

LESSON = ROOT / "notebooks" / "11_your_own_project.ipynb"
MINUTES = "0.02"  # for finetuning: a few steps, to prove that training stops on time


def tickets():
    """The tickets that have a text and one of the five labels, as other tests need them; index 0, 1, …"""
    df = load_texts(ROOT / "data" / "tickets.csv")
    df["label"] = df["label"].str.strip().str.casefold()
    common = df["label"].value_counts().index[:5]
    return df[(df["text"].str.strip() != "") & df["label"].isin(common)].drop_duplicates("text").reset_index(drop=True)


def run(path, folder, monkeypatch, until=None, **names):
    """Run the lesson's cells in this process, on a file; return its variables."""
    monkeypatch.chdir(LESSON.parent)
    for name in ("PROJECT_TEXT", "PROJECT_LABEL", "PROJECT_DATE"):
        monkeypatch.delenv(name, raising=False)
    settings = {"PROJECT_CSV": path, "PROJECT_MINUTES": MINUTES, "COURSE_WORK": folder / "my_work", **names}
    settings["COURSE_RECORD"] = folder / "homework.json"
    for name, value in settings.items():
        monkeypatch.setenv(name, str(value))
    found = {"display": lambda *things: None}
    for cell in code_cells("11"):
        exec(compile(cell.source, cell.id, "exec"), found)
        if until and until in found:
            break
    return found


def two_classes_forty_rows(folder):
    df = tickets()
    df = df[df["label"].isin(["refund", "delivery"])][:40]
    df.to_csv(folder / "forty.csv", index=False)
    return folder / "forty.csv", {}


def without_header_labels_first(folder):
    """As the collection of SMS: tabs, no header, quotes that mean nothing, a small class, repeated texts."""
    df = tickets()[:200]
    df["label"] = df["label"].eq("billing").map({True: "spam", False: "ham"})
    df = pd.concat([df, df[:20].assign(text=df["text"][:20].str.upper())])
    lines = [f"{label}\t{text}\n" for label, text in zip(df["label"], df["text"])]
    lines[3] = lines[3].replace("\t", '\t"')
    (folder / "messages.tsv").write_text("".join(lines), encoding="utf-8")
    return folder / "messages.tsv", {}


def another_language_with_dates(folder):
    """Semicolons, German, a column of dates, a class of three and one of two texts, texts that are too long."""
    said = {"Lieferung": "Wo bleibt das Paket mit der Nummer", "Erstattung": "Bitte überweisen Sie mein Geld für"}
    rows = [
        (f"{text} {n}?" + " Danke!" * 300 * (n % 25 == 0), label) for n in range(40) for label, text in said.items()
    ]
    rows += [(f"Guten Tag {n}", "selten") for n in range(3)] + [(f"Hallo {n}", "zu selten") for n in range(2)]
    df = pd.DataFrame(rows, columns=["text", "label"])
    df["Date"] = pd.date_range("2024-01-01", periods=len(df)).strftime("%d.%m.%Y")
    df.to_csv(folder / "german.csv", index=False, sep=";")
    return folder / "german.csv", {}


def fifty_numbers_and_junk(folder):
    """Labels are numbers, and neither column has a usual name."""
    df = tickets()[:400]
    junk = {"id": range(10_000, 10_400), "source": "web", "empty": "", "grade": [n % 50 + 1 for n in range(400)]}
    df.assign(words=df["text"], **junk).drop(columns=["text", "label"]).to_csv(folder / "junk.csv", index=False)
    return folder / "junk.csv", {"PROJECT_TEXT": "words", "PROJECT_LABEL": "grade"}


def hardly_words(folder):
    """Emoji and Chinese, line ends inside texts."""
    faces = [("👍" * (n % 9 + 1) + "🙂" * (n // 9), "good") for n in range(27)]
    faces += [("👎" * (n % 9 + 1) + "🙁" * (n // 9), "bad") for n in range(27)]
    rows = faces + [(f"很好\r\n{n}", "good") for n in range(20)] + [(f"太差了\r{n}", "bad") for n in range(20)]
    pd.DataFrame(rows, columns=["text", "label"]).to_json(folder / "faces.jsonl", orient="records", lines=True)
    return folder / "faces.jsonl", {}


FILES = [
    two_classes_forty_rows,
    without_header_labels_first,
    another_language_with_dates,
    fifty_numbers_and_junk,
    hardly_words,
]


@pytest.mark.slow
@pytest.mark.parametrize("make", FILES, ids=lambda make: make.__name__)
def test_the_lesson_runs_to_the_end_on_a_file(make, tmp_path, monkeypatch, capsys):
    path, names = make(tmp_path)
    found = run(path, tmp_path, monkeypatch, **names)
    used, printed = found["used"], capsys.readouterr().out
    assert (
        "✔ The model loads and gives the stored predictions" in printed and "Open questions of the card: 7" in printed
    )
    assert used.groupby("group")["set"].nunique().max() == 1
    assert used.groupby("class")["set"].agg(lambda sets: {"train", "test"} <= {*sets}).all()
    assert used["class"].nunique() > 1 and {*found["classify"](["Hello"])} <= {*used["class"]}
    folder = tmp_path / "my_work" / "project"
    assert "fitted again on training and validation texts" in (folder / "README.md").read_text(encoding="utf-8")
    about = json.loads((folder / "project.json").read_text(encoding="utf-8"))
    assert " + ".join(about["parts"]) == found["winner"] and not folder.with_name("project.new").exists()
    test = found["test"]
    assert list(hw11_project.load(folder)(test["text"]).idxmax(axis=1)) == list(test["answer"])
    pd.testing.assert_frame_equal(*(found["finetuned"](list(test["text"][:8])) for _ in range(2)))  # no dropout
    if make is another_language_with_dates:
        assert (
            "Probably not English" in printed and "2 rows left out, of classes with fewer than three texts" in printed
        )
        assert "split by date" in printed and "have more than 128 tokens" in printed
        assert used["date"].max() < pd.Timestamp("2024-04-01", tz="UTC")  # 02.01.2024 is in January
        for _, rows in used.groupby("class"):
            assert rows["date"][rows["set"] == "train"].max() < rows["date"][rows["set"] == "test"].min()
    else:
        assert "split at random" in printed
    if make is without_header_labels_first:
        assert "20 rows repeat one of them" in printed


def one_class(df):
    return df.assign(label="a")


def a_class_for_each_text(df):
    return df.assign(label=range(len(df)))


def no_labels(df):
    return df[["text"]]


def labels_missing(df):
    return df.assign(label="")


@pytest.mark.parametrize("change", [one_class, a_class_for_each_text, no_labels, labels_missing])
def test_what_cannot_be_classified_is_said(change, tmp_path, monkeypatch):
    file = tmp_path / "file.csv"
    change(tickets()[:60]).to_csv(file, index=False)
    with pytest.raises(AssertionError, match="I need two classes with three different texts each"):
        run(file, tmp_path, monkeypatch, until="tokenizer")


def test_labels_are_merged_in_the_open(tmp_path, monkeypatch, capsys):
    found = run(ROOT / "data" / "tickets.csv", tmp_path, monkeypatch, until="usable")
    printed = capsys.readouterr().out
    assert "'Refund': also 'REFUND', 'refund '" in printed and "Deliveries" not in printed
    assert "texts with more than one label: 0" in printed  # one text comes with a label and without: no contradiction
    assert {*found["data"]["class"]} == {"Technical", "Delivery", "Refund", "Billing", "Other", ""}


@pytest.mark.parametrize("winner", ["TF-IDF", "TF-IDF + frozen", "TF-IDF + frozen + finetuned"])
def test_the_card_says_what_each_part_saw(winner):
    facts = {"file": "a.csv", "winner": winner, "rows": {"a": 1, "b\n|c": 2}, "by_date": False, "max_len": 128}
    facts |= {"sets": {"train": 500, "validation": 9, "test": 9}, "read": {"frozen": 300, "finetuned": 400}, "rare": []}
    facts |= {"test_scores": {winner: "0.90"}, "low": "0.80", "high": "0.95"}
    front = ModelCardData(model_name="project")
    text = ModelCard.from_template(front, template_path=LESSON.with_name("model_card.md"), **facts).content
    assert "fitted again on training and validation texts" in text and f"| {winner} | 0.90 |" in text
    assert "| b \\|c | 2 |" in text
    assert ("TF-IDF and the frozen part were fitted" in text) == ("frozen" in winner)
    for part, texts in facts["read"].items():
        assert (f"The {part} part saw at most {texts} of the training texts." in text) == (part in winner)
    facts["read"] = dict.fromkeys(facts["read"], 500)
    whole = ModelCard.from_template(front, template_path=LESSON.with_name("model_card.md"), **facts).content
    assert "part saw at most" not in whole


def test_the_checks_way_to_compare_texts_is_never_stricter_than_the_lessons(tmp_path, monkeypatch):
    """Two texts that the check takes for the same are in one group of the lesson's."""
    texts = [
        "A b",
        "a  B",
        "a b http://x.y/z",
        "RT @who: a b",
        "rt @who: rt @me: A b!",
        "👍",
        " 👍",
        "👎",
        "http://a.b",
        "www.c.d",
    ]
    df = pd.DataFrame({"text": texts * 3, "label": ["x", "y", "z"] * len(texts)})
    df.to_csv(tmp_path / "same.csv", index=False)
    data = run(tmp_path / "same.csv", tmp_path, monkeypatch, until="usable")["data"]
    plain = hw11_project.plain(data["text"])
    assert data.groupby(plain)["group"].nunique().max() == 1
    assert data["group"].nunique() == 4  # a b; 👍; 👎; nothing but a link
