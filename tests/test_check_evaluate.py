"""What is special about homework 09: mistakes must differ in their scores, and a model may be on a GPU."""

import itertools

import pytest
import torch
from answers.hw09_evaluate import LOADER, MODEL, plain
from torch.utils.data import DataLoader, TensorDataset
from transformers import BertForSequenceClassification

from transfer_learning import check
from transfer_learning.check import hw09_evaluate


@pytest.fixture(autouse=True)
def own_progress_file(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_RECORD", str(tmp_path / "homework.json"))


def test_known_mistakes_give_different_scores():
    """A name is given by the scores alone: no two mistakes may agree in every case that is not random."""
    cases = list(itertools.islice(hw09_evaluate._cases("cpu"), 2))
    assert len({len(case.mistakes) for case in cases}) == 1
    for name in hw09_evaluate.NAMES:
        given = {}
        for every in zip(*(case.mistakes for case in cases)):
            if all(name in made for *_, made in every):
                given.setdefault(every[0][0], []).append([made[name] for *_, made in every])
        for (one, values), (other, others) in itertools.combinations(given.items(), 2):
            for a, b in itertools.product(values, others):
                same = all(map(hw09_evaluate._close, a, b))
                assert not same or {one, other} == {"swapped-scores", "not-macro"}, (name, one, other, a, b)


class Elsewhere(torch.Tensor):
    """A tensor in a batch: on another device than the model, until it is moved."""

    def to(self, *args, **kwargs):
        return self.as_subclass(torch.Tensor)


class OnAnotherDevice(BertForSequenceClassification):
    def forward(self, input_ids=None, attention_mask=None, **more):
        if any(isinstance(part, Elsewhere) for part in (input_ids, attention_mask)):
            raise RuntimeError("Expected all tensors to be on the same device, but found at least two devices")
        return super().forward(input_ids=input_ids, attention_mask=attention_mask, **more)


def moves(model, dataloader):
    device = next(model.parameters()).device
    return plain(model, [[part.to(device) for part in batch] for batch in dataloader])


def test_a_model_on_another_device_gets_batches_that_have_to_be_moved():
    model = OnAnotherDevice(MODEL.config)
    loader = DataLoader(TensorDataset(*(part.as_subclass(Elsewhere) for part in LOADER.dataset.tensors)), batch_size=8)
    check.evaluate(moves, model, loader)
    with pytest.raises(check.NotYet, match="same device") as caught:
        check.evaluate(plain, model, loader)
    assert caught.value.misconception == "raises"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_model_on_a_gpu():
    model = BertForSequenceClassification(MODEL.config).cuda()
    check.evaluate(moves, model, LOADER)
    for answer, slug in (plain, "raises"), (lambda model, loader: moves(model.cpu(), loader), "model-changed"):
        with pytest.raises(check.NotYet) as caught:
            check.evaluate(answer, model, LOADER)
        assert caught.value.misconception == slug
