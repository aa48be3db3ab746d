"""Right answers to homework 07 pass, wrong ones are told apart, and nothing of the learner's changes."""

import random
import sys
import time

import numpy as np
import pytest
import torch
from answers.validation_loader import RIGHT, WRONG
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader, TensorDataset

from transfer_learning import check


def dataset(rows, seed):
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(5, 17, (rows, 1), generator=generator)
    mask = (torch.arange(16) < lengths).long()
    ids = torch.randint(200, 30522, (rows, 16), generator=generator) * mask
    # real validation data holds the same tweet twice
    ids[3], mask[3] = ids[7], mask[7]
    return TensorDataset(ids, mask, torch.randint(0, 4, (rows,), generator=generator))


@pytest.fixture(scope="module")
def data():
    return dataset(800, 1), dataset(200, 2)


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_answer_passes(name, data, capsys):
    started = time.perf_counter()
    assert check.validation_loader(RIGHT[name](*data), data[1]) is None
    assert time.perf_counter() - started < 2
    assert "200 rows" in capsys.readouterr().out


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_answer_is_told_apart(name, data):
    slug, answer = WRONG[name]
    started = time.perf_counter()
    with pytest.raises(check.NotYet) as caught:
        check.validation_loader(answer(*data), data[1])
    assert time.perf_counter() - started < 10
    assert caught.value.misconception == slug
    assert caught.value.saw and caught.value.why and "lesson 0" in caught.value.where


def test_answers_are_many():
    assert len(RIGHT) >= 6 and len(WRONG) >= 15


def test_the_message_holds_the_learners_own_numbers(data):
    with pytest.raises(check.NotYet, match="192 of 200 rows came"):
        check.validation_loader(DataLoader(data[1], batch_size=32, drop_last=True), data[1])


def test_a_broken_val_dataset_is_named(data):
    with pytest.raises(check.NotYet) as caught:
        check.validation_loader(DataLoader(data[1]), object())
    assert caught.value.misconception == "dataset-raises"


@pytest.mark.parametrize("name", ["shuffle, own generator", "random sampler", "with replacement"])
def test_generators_and_gradient_mode_stay_as_they_were(name, data):
    loader = WRONG[name][1](*data)
    own = getattr(loader, "generator", None)
    before = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate(), own and own.get_state()
    with torch.no_grad():
        with pytest.raises(check.NotYet):
            check.validation_loader(loader, data[1])
        assert not torch.is_grad_enabled()
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1] == np.random.get_state()[1].tolist()
    assert before[2] == random.getstate()
    assert own is None or torch.equal(before[3], own.get_state())


def test_an_iterator_is_not_used_up(data):
    iterator = iter(DataLoader(data[1]))
    with pytest.raises(check.NotYet):
        check.validation_loader(iterator, data[1])
    assert len(list(iterator)) == 200


class Hostile:
    """Every way to look at it raises."""

    @property
    def sampler(self):
        raise RuntimeError("sampler")

    def __repr__(self):
        raise RuntimeError("repr")

    def __iter__(self):
        sys.exit(3)


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary()
    | st.just(...)
    | st.builds(Hostile),
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(), inner)
        | st.builds(lambda x: lambda: x, inner)
    ),
)


@settings(max_examples=60, deadline=10_000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(answer=anything)
def test_anything_else_gets_a_kind_message(answer, data):
    with pytest.raises(check.NotYet):
        check.validation_loader(answer, data[1])


@settings(max_examples=40, deadline=10_000)
@given(rows=st.integers(1, 60), size=st.integers(1, 70))
def test_every_size_passes_in_order_and_fails_in_reverse(rows, size):
    values = TensorDataset(torch.arange(rows * 2).reshape(rows, 2), torch.ones(rows, 2).long(), torch.arange(rows))
    check.validation_loader(DataLoader(values, batch_size=size), values)
    if rows > 1:
        with pytest.raises(check.NotYet) as caught:
            check.validation_loader(DataLoader(values, sampler=range(rows - 1, -1, -1), batch_size=size), values)
        assert caught.value.misconception == "reversed"


def test_in_a_notebook_no_traceback_is_shown(data):
    with pytest.raises(check.NotYet) as caught:
        check.validation_loader(..., data[1])
    lines = caught.value._render_traceback_()
    assert lines[0] == "Not yet (nothing-yet)." and not any("Traceback" in line for line in lines)
