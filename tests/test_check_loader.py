"""What is special about homework 07: loaders have generators of their own, iterators are used up, any size is right."""

import pytest
import torch
from answers.hw07_validation_loader import VAL, WRONG, build
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader, TensorDataset

from transfer_learning import check


def test_the_message_holds_the_learners_own_numbers():
    with pytest.raises(check.NotYet, match="192 of 200 rows came"):
        check.validation_loader(DataLoader(VAL, batch_size=32, drop_last=True), VAL)


def test_a_broken_val_dataset_is_named():
    with pytest.raises(check.NotYet) as caught:
        check.validation_loader(DataLoader(VAL), object())
    assert caught.value.misconception == "dataset-raises"


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
