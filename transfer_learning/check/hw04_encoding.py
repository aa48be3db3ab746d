"""Homework 04: all messages as ids, and how long they have to be."""

import contextlib
import copy
import operator
import random
import string
from numbers import Integral

from ._engine import NotYet, call, describe, homework, require_callable, require_type

MESSAGES = [
    "RT @owl: the Sea is Rising, Photovoltaics too… https://t.co/8fbTQ2a",
    "I think it is going to rain tonight",
    "Rain!",
    "the sea is rising",
    "Rain!",
    "hustle & bustle, 15 yes; café 😕 closed",
]
# (lengths, keep); None is the default. Where keep names a whole number of rows, binary numbers hold it exactly:
# how an answer rounds must not matter
LENGTHS = [
    ([9, 9, 9, 9], 0.75),
    ([12, 7, 31, 9], 0.5),
    ([12, 7, 31, 9], 0.75),
    ([12, 7, 31, 9], 0.8),
    ([12, 7, 31, 9], 1.0),
    ([12, 7, 31, 9], 0.1),
    ([640, 20, 20, 1300, 700, 80, 20, 300], 0.875),
    ([*range(60, 1, -2)], None),
    ([5], 0.3),
]


@homework("04_encoding")
def encoding(encode_all, shortest_max_len, tokenizer):
    """Check homework 04: all messages as ids, whole and unpadded, and the smallest length that keeps enough of them.

    The functions are tried with a copy of `tokenizer`, and with a tokenizer made for the occasion: a cased one, with
    other ids for everything, that takes 64 tokens at most. Whole numbers of numpy and torch pass for an int.

    Parameters
    ----------
    encode_all : callable
        The learner's answer, encode_all(messages, tokenizer) -> list of lists of int; messages is a list of str.
    shortest_max_len : callable
        The learner's answer, shortest_max_len(lengths, keep=0.95) -> int; lengths is a list of int, 0 < keep <= 1.
    tokenizer : transformers.PreTrainedTokenizerBase

    Raises
    ------
    NotYet
        With `misconception` set to the name of the mistake.
    """
    require_callable(encode_all, "encode_all")
    rng = random.SystemRandom()
    # each pair: for the learner's function, and for what is expected; a call changes how a tokenizer pads the next time
    theirs, other = [copy.deepcopy(tokenizer) for _ in "12"], [_other_tokenizer(rng)] * 2
    words = ["".join(rng.choices(string.ascii_letters, k=rng.randint(1, 9))) for _ in range(40)]
    fresh = [" ".join(rng.sample(words, rng.randint(3, 9))) for _ in range(8)]
    too_long = " ".join(["rain"] * (100 + min(tokenizer.model_max_length, 1000)))
    with _no_warnings():
        for messages in (MESSAGES[1:2], MESSAGES, [*fresh, too_long, fresh[0]]):
            _judge_ids(encode_all, messages, *theirs)
            _judge_ids(encode_all, messages, *other, theirs[1])
    require_callable(shortest_max_len, "shortest_max_len")
    for lengths, keep in LENGTHS:
        _judge_length(shortest_max_len, lengths, keep)
    for rows in (8, 16, 30, 30, 32, 57, 301):
        lengths = [rng.randint(3, 900) for _ in range(rows)]
        if rows == 30:
            keep = None
        elif rows in (8, 16, 32):
            keep = rng.randint(1, rows) / rows
        else:
            keep = (rng.randint(1, rows) - rng.uniform(0.2, 0.8)) / rows
        _judge_length(shortest_max_len, lengths, keep)
    return (
        "two tokenizers: every message whole, special tokens and all, no padding; the length no longer than it must be."
    )


@contextlib.contextmanager
def _no_warnings():
    """A tokenizer warns of long texts; here they are meant."""
    from transformers import logging

    before = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(before)


def _other_tokenizer(rng):
    """A tokenizer that spells letter by letter, with ids drawn at random."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    special = {"cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]", "unk_token": "[UNK]"}
    letters = [sign for sign in string.printable if not sign.isspace()]
    pieces = [*special.values(), *letters, *(f"##{letter}" for letter in letters)]
    vocabulary = dict(zip(pieces, rng.sample(range(200, 200 + len(pieces)), len(pieces))))
    backend = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B [SEP]",
        special_tokens=[(name, vocabulary[name]) for name in ("[CLS]", "[SEP]")],
    )
    return PreTrainedTokenizerFast(tokenizer_object=backend, model_max_length=64, **special)


def _state(tokenizer):
    names = "model_max_length", "padding_side", "truncation_side", "special_tokens_map"
    return {"len": len(tokenizer)} | {name: copy.copy(getattr(tokenizer, name)) for name in names}


def _judge_ids(encode_all, messages, tokenizer, reference, first_tokenizer=None):
    """Raise `NotYet` unless encode_all gives the ids that `reference` gives."""
    given, before = list(messages), _state(tokenizer)
    called = f"encode_all of {len(messages)} messages"
    got = require_type(call(encode_all, given, tokenizer), list, called, "a list of lists of ids")
    if given != messages:
        raise NotYet("input-changed", f"messages was {describe(messages)} and is {describe(given)} after {called}.")
    changed = [
        f"{name} was {before[name]} and is {now}" for name, now in _state(tokenizer).items() if now != before[name]
    ]
    if changed:
        raise NotYet("input-changed", f"of the tokenizer, {describe(changed[0], 200)} after {called}.")
    if got and all(isinstance(ids, Integral) for ids in got):
        raise NotYet("flat-list", f"{called} returned {describe(got)}: {len(got)} ids in one list.")
    for ids in got:
        require_type(ids, list, f"{called}: an entry", "a list of ids")
        for i in ids:
            if not isinstance(i, Integral) or isinstance(i, bool):
                raise NotYet(
                    "wrong-type", f"{called}: {describe(i)}, a {type(i).__name__}, among the ids, expected int."
                )
    if len(got) != len(messages):
        raise NotYet("not-one-list-each", f"{called} returned {len(got)} lists.")
    want = [reference(message)["input_ids"] for message in messages]
    if got == want:
        return
    if sorted(got) == sorted(want):
        raise NotYet("lists-in-another-order", f"{called}: list 0 holds the ids of another message than message 0.")
    at = next(n for n, (g, w) in enumerate(zip(got, want)) if g != w)
    bare = reference(messages[at], add_special_tokens=False)["input_ids"]
    foreign = first_tokenizer and first_tokenizer(messages[at])["input_ids"]
    slug = _mistake(got[at], want[at], bare, foreign, reference)
    which = "another tokenizer than yours" if first_tokenizer else "your tokenizer"
    raise NotYet(slug, f"with {which}, {describe(messages[at])} became {len(got[at])} ids: {describe(got[at])}.")


def _mistake(got, want, bare, foreign, tokenizer):
    special = {*tokenizer.all_special_ids}
    longer, n = len(got) > len(want), len(got)
    rest = got[len(want) :] if got[: len(want)] == want else got[: -len(want)] if got[-len(want) :] == want else []
    if got in (bare, want[:-1], want[1:]):
        return "no-special-tokens"
    if foreign and (got == foreign or (n == len(want) and got[1:-1] == want[1:-1])):
        return "ids-of-another-tokenizer"
    if longer and rest and set(rest) == {tokenizer.pad_token_id}:
        return "padded-already"
    if longer and [i for i in got if i not in special] == [i for i in want if i not in special]:
        return "special-tokens-twice"
    if n < len(want) and (got[:-1] == want[: n - 1] or got[1:] == want[len(want) - n + 1 :]):
        return "cut-too-early"
    if set(got) <= {0, 1}:
        return "mask-for-ids"
    return "other-ids"


def _judge_length(shortest_max_len, lengths, keep):
    """Raise `NotYet` unless shortest_max_len gives the smallest length that leaves `keep` of the rows whole."""
    keywords, share = ({}, 0.95) if keep is None else ({"keep": keep}, keep)
    given = list(lengths)
    got = call(shortest_max_len, given, **keywords)
    shown = f"{len(lengths)} lengths, {min(lengths)} to {max(lengths)}" if len(lengths) > 10 else str(lengths)
    called = f"shortest_max_len({shown}{f', keep={keep:.4g}' if keywords else ''})"
    try:
        if isinstance(got, bool) or getattr(got, "ndim", 0):
            raise TypeError
        length = operator.index(got)
    except TypeError:
        require_type(got, int, called, "an int")
        raise NotYet(
            "wrong-type", f"{called} returned {describe(got)}, a {type(got).__name__}, expected an int."
        ) from None
    if given != lengths:
        raise NotYet("input-changed", f"lengths was {describe(lengths)} and is {describe(given)} after {called}.")

    def whole(length):
        return sum(n <= length for n in lengths) / len(lengths)

    if whole(length) >= share > whole(length - 1):
        return
    if keywords and _ignores_keep(shortest_max_len, lengths):
        raise NotYet("keep-ignored", f"{called} returned {length}, and so it did with keep=0.25 and keep=1.")
    saw = f"{called} returned {length}: {whole(length):.1%} of the messages stay whole"
    if whole(length) < share:
        raise NotYet("cuts-too-many", f"{saw}, fewer than {share:.1%}.")
    raise NotYet("longer-than-needed", f"{saw}; a smaller length leaves {share:.1%} whole, too.")


def _ignores_keep(shortest_max_len, lengths):
    try:
        few, all_of_them = (call(shortest_max_len, list(lengths), keep=keep) for keep in (0.25, 1.0))
    except NotYet:
        return False
    return few == all_of_them and min(lengths) < max(lengths)
