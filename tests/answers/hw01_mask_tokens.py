"""Answers to homework 01: right ones in different styles, wrong ones with one mistake each and its slug."""

import functools
import random

import numpy as np
import torch
from transformers import AutoTokenizer, DataCollatorForLanguageModeling

from transfer_learning import check, checkpoint

TOKENIZER = AutoTokenizer.from_pretrained(checkpoint("bert-base-uncased"))


def judge(mask_tokens):
    return check.mask_tokens(mask_tokens, TOKENIZER)


def special_of(ids, tokenizer):
    return torch.isin(ids, torch.tensor(tokenizer.all_special_ids))


def vectorised(input_ids, tokenizer, probability=0.15, generator=None):
    chosen = torch.rand(input_ids.shape, generator=generator) < probability
    chosen &= ~special_of(input_ids, tokenizer)
    labels = input_ids.masked_fill(~chosen, -100)
    how = torch.rand(input_ids.shape, generator=generator)
    inputs = input_ids.masked_fill(chosen & (how < 0.8), tokenizer.mask_token_id)
    words = torch.randint(len(tokenizer), input_ids.shape, generator=generator)
    return torch.where(chosen & (how >= 0.9), words, inputs), labels


def only_cls_sep_pad(input_ids, tokenizer, probability=0.15, generator=None):
    """Random ids without the special tokens; [UNK] and [MASK] may be chosen."""
    special = torch.zeros_like(input_ids, dtype=torch.bool)
    for token in ("[CLS]", "[SEP]", "[PAD]"):
        special |= input_ids == tokenizer.convert_tokens_to_ids(token)
    chosen = torch.bernoulli(torch.full(input_ids.shape, float(probability)), generator=generator).bool() & ~special
    words = torch.tensor(sorted(set(tokenizer.get_vocab().values()) - set(tokenizer.all_special_ids)))
    kind = torch.randint(10, input_ids.shape, generator=generator)
    inputs, labels = input_ids.clone(), torch.full_like(input_ids, -100)
    labels[chosen] = input_ids[chosen]
    inputs[chosen & (kind < 8)] = tokenizer.mask_token_id
    at = chosen & (kind == 8)
    inputs[at] = words[torch.randint(len(words), (int(at.sum()),), generator=generator)]
    return inputs, labels


def one_draw(input_ids, tokenizer, probability=0.15, generator=None):
    """One uniform number a token says everything."""
    draw = torch.rand(input_ids.shape, generator=generator, dtype=torch.float64)
    draw[special_of(input_ids, tokenizer)] = 2
    labels = torch.where(draw < probability, input_ids, -100)
    inputs = torch.where(draw < 0.8 * probability, tokenizer.mask_token_id, input_ids)
    change = (draw >= 0.8 * probability) & (draw < 0.9 * probability)
    inputs[change] = torch.randint(0, tokenizer.vocab_size, (int(change.sum()),), generator=generator)
    return inputs, labels


def loop(input_ids, tokenizer, probability=0.15, generator=None):
    def draw():
        return torch.rand(1, generator=generator).item()

    inputs, labels = input_ids.clone(), torch.full(input_ids.shape, -100)
    flat, flat_labels = inputs.view(-1), labels.view(-1)
    for i in range(len(flat)):
        if flat[i].item() in tokenizer.all_special_ids or draw() >= probability:
            continue
        flat_labels[i] = flat[i]
        kind = draw()
        if kind < 0.8:
            flat[i] = tokenizer.mask_token_id
        elif kind < 0.9:
            flat[i] = torch.randint(tokenizer.vocab_size, (1,), generator=generator).item()
    return inputs, labels


def two_loops(input_ids, tokenizer, probability=0.15, generator=None):
    """Lists and random.random; one row is a batch of one."""
    rows = input_ids.tolist() if input_ids.dim() == 2 else [input_ids.tolist()]
    dice = random.Random(int(torch.randint(2**62, (1,), generator=generator)))
    never = set(tokenizer.all_special_ids)
    inputs, labels = [], []
    for row in rows:
        inputs.append([])
        labels.append([])
        for token in row:
            if token in never or dice.random() >= probability:
                inputs[-1].append(token)
                labels[-1].append(-100)
                continue
            labels[-1].append(token)
            inputs[-1].append(
                dice.choices([tokenizer.mask_token_id, dice.randint(0, len(tokenizer) - 1), token], [8, 1, 1])[0]
            )
    return torch.tensor(inputs).view(input_ids.shape), torch.tensor(labels).view(input_ids.shape)


def with_numpy(input_ids, tokenizer, probability=0.15, generator=None):
    seed = None if generator is None else int(torch.randint(2**31, (), generator=generator))
    dice, ids = np.random.default_rng(seed), input_ids.numpy()
    chosen = (dice.random(ids.shape) < probability) & ~np.isin(ids, tokenizer.all_special_ids)
    kind = dice.choice(3, size=ids.shape, p=[0.8, 0.1, 0.1])
    inputs = np.select(
        [chosen & (kind == 0), chosen & (kind == 1)],
        [np.full_like(ids, tokenizer.mask_token_id), dice.integers(0, len(tokenizer), ids.shape)],
        ids,
    )
    return torch.from_numpy(inputs), torch.from_numpy(np.where(chosen, ids, -100))


def global_numpy(input_ids, tokenizer, probability=0.15, generator=None):
    """np.random's own state, where no generator is given."""
    if generator is not None:
        np.random.seed(int(torch.randint(2**31, (1,), generator=generator)))
    chosen = torch.from_numpy(np.random.rand(*input_ids.shape) < probability) & ~special_of(input_ids, tokenizer)
    kind = torch.from_numpy(np.random.rand(*input_ids.shape))
    inputs, labels = input_ids.clone(), input_ids.clone()
    labels[~chosen] = -100
    inputs[chosen & (kind <= 0.1)] = torch.from_numpy(np.random.randint(0, len(tokenizer), input_ids.shape))[
        chosen & (kind <= 0.1)
    ]
    inputs[chosen & (kind > 0.2)] = tokenizer.mask_token_id
    return inputs, labels


def library(input_ids, tokenizer, probability=0.15, generator=None):
    collator = DataCollatorForLanguageModeling(tokenizer, mlm_probability=probability)
    collator.generator = generator
    special = special_of(input_ids, tokenizer)
    return collator.torch_mask_tokens(input_ids.clone(), special_tokens_mask=special)


def library_row_by_row(input_ids, tokenizer, probability=0.15, generator=None):
    """Recursion over the rows; special tokens from the tokenizer's own method."""
    if input_ids.ndim > 1:
        pairs = [library_row_by_row(row, tokenizer, probability, generator) for row in input_ids]
        return tuple(torch.stack(part) for part in zip(*pairs))
    special = tokenizer.get_special_tokens_mask(input_ids.tolist(), already_has_special_tokens=True)
    collator = DataCollatorForLanguageModeling(tokenizer, mlm_probability=probability)
    collator.generator = generator
    return collator.torch_mask_tokens(input_ids.clone(), torch.tensor(special))


def chosen_places(input_ids, tokenizer, probability=0.15, generator=None):
    """Numbers of the chosen places, shuffled, cut at a binomial number; then cut in three by further draws."""
    words = (~special_of(input_ids, tokenizer)).flatten().nonzero()[:, 0]
    words = words[torch.randperm(len(words), generator=generator)]
    number = int((torch.rand(len(words), generator=generator) < probability).sum())
    at = words[:number]
    inputs, labels = input_ids.flatten().clone(), torch.full((input_ids.numel(),), -100)
    labels[at] = inputs[at]
    kind = torch.multinomial(torch.tensor([0.8, 0.1, 0.1]), max(number, 1), replacement=True, generator=generator)
    kind = kind[:number]
    inputs[at[kind == 0]] = tokenizer.mask_token_id
    inputs[at[kind == 1]] = torch.randint(len(tokenizer), (int((kind == 1).sum()),), generator=generator)
    return inputs.reshape(input_ids.shape), labels.reshape(input_ids.shape)


def never_the_original(input_ids, tokenizer, probability=0.15, generator=None):
    """The random id is another one than the original, for certain."""
    inputs, labels = vectorised(input_ids, tokenizer, probability, generator)
    kind = torch.rand(input_ids.shape, generator=generator)
    chosen = labels != -100
    step = torch.randint(1, len(tokenizer), input_ids.shape, generator=generator)
    inputs = torch.where(chosen & (kind < 0.8), tokenizer.mask_token_id, input_ids)
    return torch.where(chosen & (kind > 0.9), (input_ids + step) % len(tokenizer), inputs), labels


def reseeds_the_global(input_ids, tokenizer, probability=0.15, generator=None):
    if generator is not None:
        torch.manual_seed(torch.randint(2**40, (1,), generator=generator).item())
    return vectorised(input_ids, tokenizer, probability)


class Masker:
    def __call__(self, input_ids, tokenizer, probability=0.15, generator=None):
        return [part.contiguous() for part in vectorised(input_ids, tokenizer, probability, generator)]


def any_ratio(input_ids, tokenizer, probability=0.15, generator=None, *, mask=0.8, other=0.1, **changes):
    """Right as it stands; every keyword makes one mistake."""
    draws = None if changes.get("ignores_generator") else generator
    if changes.get("own_seed") is not None:
        draws = torch.Generator().manual_seed(changes["own_seed"])
    shape = changes.get("shape", lambda ids: ids.shape)(input_ids)
    special = torch.isin(input_ids, torch.tensor(changes.get("special", tokenizer.all_special_ids)))
    p = changes.get("p", probability)
    chosen = (torch.rand(shape, generator=draws) < p).expand(input_ids.shape) & ~special
    kind = torch.rand(changes.get("kind_shape", lambda ids: ids.shape)(input_ids), generator=draws)
    words = changes.get("words", lambda ids, size, g: torch.randint(size, ids.shape, generator=g))
    words = words(input_ids, len(tokenizer), generator if "words" in changes else draws)
    inputs = torch.where(chosen & (kind < mask), changes.get("mask_id", tokenizer.mask_token_id), input_ids)
    inputs = torch.where(chosen & (kind >= mask) & (kind < mask + other), words, inputs)
    return inputs, input_ids.masked_fill(~chosen, changes.get("ignored", -100))


def wrong(**changes):
    return functools.partial(any_ratio, **changes)


def after(change):
    """A right answer whose inputs and labels are then spoilt."""

    def mask_tokens(input_ids, tokenizer, probability=0.15, generator=None):
        inputs, labels = vectorised(input_ids, tokenizer, probability, generator)
        return change(input_ids, inputs, labels)

    return mask_tokens


RIGHT = {
    "vectorised": vectorised,
    "one draw": one_draw,
    "a loop": loop,
    "loops over lists": two_loops,
    "transformers' collator": library,
    "the collator, row by row": library_row_by_row,
    "shuffled places": chosen_places,
    "never the original": never_the_original,
    "reseeds the global generator": reseeds_the_global,
    "an object that can be called": Masker(),
    "partial": functools.partial(any_ratio, mask=0.8),
    "a stacked tensor": after(lambda ids, inputs, labels: torch.stack([inputs, labels])),
}


def in_place(input_ids, tokenizer, probability=0.15, generator=None):
    labels = input_ids.clone()
    inputs, found = vectorised(input_ids, tokenizer, probability, generator)
    input_ids[:] = inputs
    return input_ids, torch.where(found == -100, -100, labels)


def lessons_cell(input_ids, tokenizer, probability=0.15, generator=None):
    """What lesson 01 shows, with labels: nothing keeps the special tokens."""
    chosen = torch.rand(input_ids.shape, generator=generator) < probability
    return input_ids.masked_fill(chosen, tokenizer.mask_token_id), input_ids.masked_fill(~chosen, -100)


def labels_too_late(input_ids, tokenizer, probability=0.15, generator=None):
    inputs, labels = vectorised(input_ids, tokenizer, probability, generator)
    return inputs, torch.where(labels == -100, -100, inputs)


def fixed_number(at_least):
    def mask_tokens(input_ids, tokenizer, probability=0.15, generator=None):
        rows = input_ids.reshape(-1, input_ids.shape[-1])
        chosen = torch.zeros_like(rows, dtype=torch.bool)
        for row, mark in zip(rows, chosen):
            words = (~special_of(row, tokenizer)).nonzero()[:, 0]
            number = max(at_least, round(len(words) * probability)) if probability else 0
            mark[words[torch.randperm(len(words), generator=generator)[:number]]] = True
        chosen = chosen.reshape(input_ids.shape)
        inputs, labels = vectorised(input_ids, tokenizer, 1.0, generator)
        return torch.where(chosen, inputs, input_ids), torch.where(chosen, labels, -100)

    return mask_tokens


def same_draw_twice(input_ids, tokenizer, probability=0.15, generator=None):
    """The number that chose a token also says what becomes of it, and is always small."""
    draw = torch.rand(input_ids.shape, generator=generator)
    chosen = (draw < probability) & ~special_of(input_ids, tokenizer)
    words = torch.randint(len(tokenizer), input_ids.shape, generator=generator)
    inputs = torch.where(chosen & (draw < 0.8), tokenizer.mask_token_id, input_ids)
    return torch.where(chosen & (draw >= 0.9), words, inputs), input_ids.masked_fill(~chosen, -100)


def a_tenth_of_the_rest(input_ids, tokenizer, probability=0.15, generator=None):
    chosen = (torch.rand(input_ids.shape, generator=generator) < probability) & ~special_of(input_ids, tokenizer)
    masked = chosen & (torch.rand(input_ids.shape, generator=generator) < 0.8)
    changed = chosen & ~masked & (torch.rand(input_ids.shape, generator=generator) < 0.1)
    words = torch.randint(len(tokenizer), input_ids.shape, generator=generator)
    inputs = torch.where(masked, tokenizer.mask_token_id, torch.where(changed, words, input_ids))
    return inputs, input_ids.masked_fill(~chosen, -100)


def by_position(input_ids, tokenizer, probability=0.15, generator=None):
    """Takes the first and the last place of a row for special, and padding by its id."""
    inputs, labels = vectorised(input_ids, tokenizer, probability, generator)
    keep = torch.ones_like(input_ids, dtype=torch.bool)
    keep[..., 0] = keep[..., -1] = False
    return torch.where(keep, inputs, input_ids), torch.where(keep, labels, -100)


def only_batches(input_ids, tokenizer, probability=0.15, generator=None):
    _rows, _length = input_ids.shape
    return vectorised(input_ids, tokenizer, probability, generator)


def adds_a_dimension(input_ids, tokenizer, probability=0.15, generator=None):
    inputs, labels = vectorised(input_ids, tokenizer, probability, generator)
    return (inputs[None], labels[None]) if input_ids.ndim == 1 else (inputs, labels)


def needs_a_generator(input_ids, tokenizer, probability=0.15, generator=None):
    torch.rand(1, generator=generator.set_state(generator.get_state()))
    return vectorised(input_ids, tokenizer, probability, generator)


def by_initial_seed(input_ids, tokenizer, probability=0.15, generator=None):
    if generator is not None:
        generator = torch.Generator().manual_seed(generator.initial_seed())
    return vectorised(input_ids, tokenizer, probability, generator)


def always_the_same_default(input_ids, tokenizer, probability=0.15, generator=None):
    return vectorised(input_ids, tokenizer, probability, generator or torch.Generator())


def words_of_the_batch(ids, size, generator):
    return ids.flatten()[torch.randint(ids.numel(), ids.shape, generator=generator)]


def no_parameters(input_ids, tokenizer):
    return vectorised(input_ids, tokenizer)


def notebooks_tokenizer(input_ids, tokenizer, probability=0.15, generator=None):
    return vectorised(input_ids, TOKENIZER, probability, generator)


def one_choice_a_word(input_ids, tokenizer, probability=0.15, generator=None):
    draws = torch.rand(len(tokenizer), generator=generator)
    chosen = (draws[input_ids] < probability) & ~special_of(input_ids, tokenizer)
    how = torch.rand(input_ids.shape, generator=generator)
    inputs = input_ids.masked_fill(chosen & (how < 0.8), tokenizer.mask_token_id)
    words = torch.randint(len(tokenizer), input_ids.shape, generator=generator)
    return torch.where(chosen & (how >= 0.9), words, inputs), input_ids.masked_fill(~chosen, -100)


WRONG = {
    "nothing written": ("nothing-yet", ...),
    "the body is empty": ("returns-nothing", lambda *args, **kwargs: None),
    "a dict": ("wrong-type", after(lambda ids, inputs, labels: {"input_ids": inputs, "labels": labels})),
    "inputs alone": ("wrong-type", after(lambda ids, inputs, labels: inputs)),
    "three things": ("wrong-type", after(lambda ids, inputs, labels: (inputs, labels, labels != -100))),
    "lists": ("wrong-type", after(lambda ids, inputs, labels: (inputs.tolist(), labels.tolist()))),
    "numpy arrays": ("wrong-type", after(lambda ids, inputs, labels: (inputs.numpy(), labels.numpy()))),
    "float labels": ("wrong-type", after(lambda ids, inputs, labels: (inputs, labels.float()))),
    "int32": ("wrong-type", after(lambda ids, inputs, labels: (inputs.int(), labels.int()))),
    "no labels": ("returns-nothing", after(lambda ids, inputs, labels: (inputs, None))),
    "flattened": ("masks-shape", after(lambda ids, inputs, labels: (inputs.flatten(), labels.flatten()))),
    "labels of the chosen alone": ("masks-shape", after(lambda ids, inputs, labels: (inputs, labels[labels != -100]))),
    "a batch of one for one text": ("masks-shape", adds_a_dimension),
    "batches only": ("raises", only_batches),
    "in place": ("input-changed", in_place),
    "pair the wrong way round": ("swapped-pair", after(lambda ids, inputs, labels: (labels, inputs))),
    "labels are the whole text": ("no-ignore-index", after(lambda ids, inputs, labels: (inputs, ids.clone()))),
    "0 in place of -100": ("no-ignore-index", wrong(ignored=0)),
    "-1 in place of -100": ("no-ignore-index", wrong(ignored=-1)),
    "labels one too large": (
        "other-labels",
        after(lambda ids, inputs, labels: (inputs, torch.where(labels == -100, labels, labels + 1))),
    ),
    "labels are a mask": ("no-ignore-index", after(lambda ids, inputs, labels: (inputs, (labels != -100).long()))),
    "labels from the masked ids": ("labels-after-masking", labels_too_late),
    "-100 at the chosen": (
        "changed-without-label",
        after(lambda ids, inputs, labels: (inputs, ids.masked_fill(labels != -100, -100))),
    ),
    "labels at [MASK] alone": (
        "changed-without-label",
        after(lambda ids, inputs, labels: (inputs, torch.where(inputs == 103, labels, -100))),
    ),
    "labels at changed ones alone": (
        "not-80-10-10",
        after(lambda ids, inputs, labels: (inputs, torch.where(inputs == ids, -100, labels))),
    ),
    "the lesson's own cell": ("special-token-chosen", lessons_cell),
    "[UNK] and [MASK] are chosen": ("special-token-chosen", only_cls_sep_pad),
    "[PAD] is chosen": ("special-token-chosen", wrong(special=[101, 102])),
    "[SEP] is chosen": ("special-token-chosen", wrong(special=[0, 101])),
    "[CLS] is chosen": ("special-token-chosen", wrong(special=[0, 102])),
    "first and last place": ("unequal-chances", by_position),
    "special ids written down": ("one-tokenizer-only", wrong(special=[0, 100, 101, 102, 103])),
    "0 written down": (
        "one-tokenizer-only",
        lambda ids, tokenizer, **options: any_ratio(
            ids, tokenizer, special=[0, *set(tokenizer.all_special_ids) - {tokenizer.pad_token_id}], **options
        ),
    ),
    "words are ids above 103": (
        "one-tokenizer-only or wrong-probability",
        lambda ids, tokenizer, **options: any_ratio(ids, tokenizer, special=list(range(104)), **options),
    ),
    "103 written down": ("one-tokenizer-only", wrong(mask_id=103)),
    "30522 written down": (
        "one-tokenizer-only",
        wrong(words=lambda ids, size, g: torch.randint(30522, ids.shape, generator=g)),
    ),
    "999 written down": (
        "one-tokenizer-only",
        wrong(words=lambda ids, size, g: torch.randint(999, size, ids.shape, generator=g)),
    ),
    "the notebook's tokenizer": ("one-tokenizer-only", notebooks_tokenizer),
    "one id too many": (
        "outside-vocabulary",
        wrong(words=lambda ids, size, g: torch.randint(size + 1, ids.shape, generator=g)),
    ),
    "never the last id": (
        "uneven-random-ids",
        wrong(words=lambda ids, size, g: torch.randint(size - 1, ids.shape, generator=g)),
    ),
    "never id 0": (
        "uneven-random-ids",
        wrong(words=lambda ids, size, g: torch.randint(1, size, ids.shape, generator=g)),
    ),
    "one random id for all": (
        "uneven-random-ids",
        wrong(words=lambda ids, size, g: torch.randint(size, (1,), generator=g).expand(ids.shape)),
    ),
    "one random id a row": (
        "uneven-random-ids",
        wrong(words=lambda ids, size, g: torch.randint(size, (*ids.shape[:-1], 1), generator=g).expand(ids.shape)),
    ),
    "one random id a column": (
        "uneven-random-ids",
        wrong(words=lambda ids, size, g: torch.randint(size, ids.shape[-1:], generator=g).expand(ids.shape)),
    ),
    "words of the batch": ("uneven-random-ids", wrong(words=words_of_the_batch)),
    "far more ids than there are": (
        "outside-vocabulary",
        wrong(words=lambda ids, size, g: torch.randint(2 * size, ids.shape, generator=g)),
    ),
    "half of the vocabulary": (
        "uneven-random-ids",
        wrong(words=lambda ids, size, g: torch.randint(size // 2, ids.shape, generator=g)),
    ),
    "all become [MASK]": ("not-80-10-10", wrong(mask=1.0, other=0.0)),
    "none stays": ("not-80-10-10", wrong(other=0.2)),
    "none becomes random": ("not-80-10-10", wrong(other=0.0)),
    "no [MASK] at all": ("not-80-10-10", wrong(mask=0.0, other=1.0)),
    "85/10/5": ("not-80-10-10", wrong(mask=0.85)),
    "a tenth of the rest": ("not-80-10-10", a_tenth_of_the_rest),
    "one draw for both": ("not-80-10-10", same_draw_twice),
    "0.15 written down": ("wrong-probability", wrong(p=0.15)),
    "probability or 0.15": (
        "wrong-probability",
        lambda ids, tokenizer, probability=0.15, generator=None: any_ratio(
            ids, tokenizer, probability or 0.15, generator
        ),
    ),
    "another default": (
        "wrong-probability",
        lambda ids, tokenizer, probability=0.2, generator=None: any_ratio(ids, tokenizer, probability, generator),
    ),
    "a share of all, padding too": (
        "wrong-probability",
        lambda ids, tokenizer, probability=0.15, generator=None: any_ratio(
            ids, tokenizer, probability / (1 - special_of(ids, tokenizer).float().mean().item() + 1e-9), generator
        ),
    ),
    "chooses those that should stay": (
        "wrong-probability",
        lambda ids, tokenizer, probability=0.15, generator=None: any_ratio(ids, tokenizer, 1 - probability, generator),
    ),
    "the same places in every row": ("unequal-chances", wrong(shape=lambda ids: ids.shape[-1:])),
    "whole rows": ("unequal-chances", wrong(shape=lambda ids: (*ids.shape[:-1], 1))),
    "one kind a row": ("unequal-chances", wrong(kind_shape=lambda ids: (*ids.shape[:-1], 1))),
    "one kind a column": ("unequal-chances", wrong(kind_shape=lambda ids: ids.shape[-1:])),
    "a fixed number a row": ("fixed-number", fixed_number(0)),
    "at least one a row": ("fixed-number", fixed_number(1)),
    "the same word, the same choice": ("all-or-none", one_choice_a_word),
    "numpy": ("generator-ignored", with_numpy),
    "numpy's global state": ("generator-ignored", global_numpy),
    "ignores the generator": ("generator-ignored", wrong(ignores_generator=True)),
    "random ids without the generator": (
        "generator-ignored",
        wrong(words=lambda ids, size, g: torch.randint(size, ids.shape)),
    ),
    "a seed of its own": ("same-masks-again", wrong(own_seed=0)),
    "a new generator each time": ("same-masks-again", always_the_same_default),
    "begins the generator again": ("same-masks-again", by_initial_seed),
    "cannot do without a generator": ("raises", needs_a_generator),
    "no further parameters": ("raises", no_parameters),
}
