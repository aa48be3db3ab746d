"""What is special about homework 07: loaders have generators of their own, iterators are used up, any size is right."""

import sys

import pytest
import torch
from answers.hw07_validation_loader import VAL, WRONG, build
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader, Dataset, TensorDataset

from transfer_learning import check


def test_the_message_holds_the_learners_own_numbers():
    with pytest.raises(check.NotYet, match="192 of 200 rows came"):
        check.validation_loader(DataLoader(VAL, batch_size=32, drop_last=True), VAL)


def test_a_broken_val_dataset_is_named():
    with pytest.raises(check.NotYet) as caught:
        check.validation_loader(DataLoader(VAL), object())
    assert caught.value.misconception == "cannot-be-read"


def test_a_loaders_own_generator_stays_as_it_was():
    loader = build(WRONG["shuffle, own generator"][1])
    before = loader.generator.get_state()
    with pytest.raises(check.NotYet), torch.no_grad():
        check.validation_loader(loader, VAL)
    assert torch.equal(before, loader.generator.get_state())


def test_an_iterator_is_not_used_up():
    iterator = iter(DataLoader(VAL))
    with pytest.raises(check.NotYet):
        check.validation_loader(iterator, VAL)
    assert len(list(iterator)) == 200


@settings(max_examples=40, deadline=10_000)
@given(rows=st.integers(1, 60), size=st.integers(1, 70))
def test_every_size_passes_in_order_and_fails_in_reverse(rows, size):
    values = TensorDataset(torch.arange(rows * 2).reshape(rows, 2), torch.ones(rows, 2).long(), torch.arange(rows))
    check.validation_loader(DataLoader(values, batch_size=size), values)
    if rows > 1:
        with pytest.raises(check.NotYet) as caught:
            check.validation_loader(DataLoader(values, sampler=range(rows - 1, -1, -1), batch_size=size), values)
        assert caught.value.misconception == "reversed"


def test_three_dots_say_what_may_have_happened_and_where_the_loader_is(monkeypatch):
    monkeypatch.setattr(sys.modules["__main__"], "eval_loader", DataLoader(VAL), raising=False)
    monkeypatch.setattr(sys.modules["__main__"], "of_other_data", DataLoader([1, 2]), raising=False)
    with pytest.raises(check.NotYet) as caught:
        check.validation_loader(..., VAL)
    assert "still `...`" in caught.value.saw and "an error before" in caught.value.saw
    assert "eval_loader is a DataLoader over val_dataset" in caught.value.saw and "of_other" not in caught.value.saw


@pytest.mark.parametrize("workers", [0, 1])
def test_what_the_data_set_raised_is_said_also_from_a_worker(workers):
    class Broken(Dataset):
        def __len__(self):
            return 9

        def __getitem__(self, n):
            raise OSError("tweet 0 is not there")

    with pytest.raises(check.NotYet, match="OSError: tweet 0 is not there") as caught:
        check.validation_loader(DataLoader(Broken(), num_workers=workers), VAL)
    assert "Its data set is a Broken" in caught.value.saw


def test_no_mistake_is_named_that_contradicts_a_right_pass():
    class Second(list):
        """All rows in order on the first pass, then drawn with replacement."""

        passes = 0

        def __iter__(self):
            self.passes += 1
            return iter(list(range(200)) if self.passes == 1 else [n % 150 for n in range(200)])

    with pytest.raises(check.NotYet, match="on the second pass") as caught:
        check.validation_loader(DataLoader(VAL, sampler=Second(range(200))), VAL)
    assert caught.value.misconception == "part-of-the-rows"
