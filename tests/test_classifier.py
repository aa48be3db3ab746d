"""Lesson 08's classifier: its cells run here on few rows, interrupted twice; what they save is loaded elsewhere."""

import json
import subprocess
from collections import Counter
from hashlib import sha256
from types import SimpleNamespace

import pytest
import torch
from conftest import code_cells

EPOCHS = 2
SKIPPED = {"l08-d2"}  # a widget, which needs a kernel
FEWER_ROWS = "\ntest, val, train = test[:12], val[:12], train[:70]"


class Interrupted:
    """The lesson's `train_step`, interrupted as by the stop button, once before each of these steps."""

    def __init__(self, step, losses, before):
        self.step, self.losses, self.before, self.seen = step, losses, set(before), Counter()

    def __call__(self, batch):
        if len(self.losses) in self.before:
            self.before.remove(len(self.losses))
            raise KeyboardInterrupt
        ids, mask = batch["input_ids"], batch["attention_mask"]
        self.seen.update(tuple(row[kept == 1].tolist()) for row, kept in zip(ids, mask))
        return self.step(batch)


@pytest.fixture(scope="module")
def lesson(tmp_path_factory):
    """The names that the lesson's cells have defined."""
    folder = tmp_path_factory.mktemp("work")
    patch = pytest.MonkeyPatch()
    patch.setenv("COURSE_WORK", str(folder))
    patch.delenv("TWEETS_CSV", raising=False)
    picture = SimpleNamespace(update=lambda figure: None)
    names = {"display": lambda display_id: picture, "__name__": "lesson"}
    cells = code_cells("08")
    names["saving"] = [cell for cell in cells if cell.id in ("l08-82", "l08-d4")]
    try:
        for cell in cells:
            if cell.id in SKIPPED:
                continue
            source = cell.source.replace("EPOCHS = 4", f"EPOCHS = {EPOCHS}")
            source += FEWER_ROWS if cell.id == "l08-08" else ""
            if cell.id in ("l08-28", "l08-36"):  # the stop button, in the first epoch and in the second
                if cell.id == "l08-28":
                    steps = len(names["train_loader"])
                    names["train_step"] = Interrupted(names["train_step"], names["losses"], {2, steps + 2})
                with pytest.raises(KeyboardInterrupt):
                    exec(source, names)
            exec(source, names)
            if cell.id == "l08-d6":  # its last line compares a fresh process with the lesson
                names["fresh"] = subprocess.run(names["command"], capture_output=True, text=True, check=True).stdout
    finally:
        patch.undo()
    return SimpleNamespace(**names, work=folder)


@pytest.mark.slow
def test_training_goes_on_where_it_was_interrupted(lesson):
    assert not lesson.train_step.before  # both interruptions happened
    assert len(lesson.losses) == EPOCHS * len(lesson.train_loader) and len(lesson.scores) == EPOCHS
    assert lesson.schedule.get_last_lr() == [0, 0]
    rows = Counter(tuple(row["input_ids"]) for row in lesson.train_rows)
    assert lesson.train_step.seen == Counter({ids: EPOCHS * times for ids, times in rows.items()})


@pytest.mark.slow
def test_the_folder_is_complete_and_says_what_it_was_trained_on(lesson):
    folder = lesson.work / "classifier"
    assert [path.name for path in lesson.work.iterdir()] == ["classifier"]  # no half of one beside it
    stored = json.loads((folder / "trained_on.json").read_text())
    checksum = sha256("\n".join(lesson.train["message"]).encode()).hexdigest()
    assert stored == {"sha256": checksum, "rows": len(lesson.train)}


@pytest.mark.slow
def test_the_saved_classifier_gives_the_same_answers_elsewhere(lesson):
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

    folder, texts = str(lesson.work / "classifier"), list(lesson.test["message"]) + lesson.sentences
    expected = lesson.classify(texts)
    assert lesson.fresh.split() == lesson.classify(lesson.sentences)
    assert [
        answer["label"] for answer in pipeline("text-classification", model=folder, device="cpu")(texts)
    ] == expected
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    inputs = AutoTokenizer.from_pretrained(folder)(
        texts, padding=True, truncation=True, max_length=64, return_tensors="pt"
    )
    with torch.no_grad():
        probabilities = model(**inputs).logits.softmax(dim=1)
    torch.testing.assert_close(probabilities, lesson.probabilities(texts), atol=1e-4, rtol=0)


@pytest.mark.slow
def test_saving_again_replaces_the_folder(lesson, monkeypatch):
    monkeypatch.setenv("COURSE_WORK", str(lesson.work))
    marker = lesson.work / "classifier" / "of an earlier run"
    marker.touch()
    names = dict(vars(lesson))
    for cell in lesson.saving:
        exec(cell.source, names)
    assert [path.name for path in lesson.work.iterdir()] == ["classifier"]
    assert not marker.exists() and (lesson.work / "classifier" / "trained_on.json").exists()
