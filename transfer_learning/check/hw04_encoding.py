"""Homework 04: all messages as ids, and how long they have to be."""

import copy
import operator
import random
import string
from collections import namedtuple
from numbers import Integral

from ._engine import Mistake, NotYet, call, describe, explain, homework, require_callable, require_type, untimed

MESSAGES = (
    "I think it is going to rain tonight|So: RT @owl: https://t.co/8fbTQ2a the Sea is Rising, Photovoltaics too…|Rain!||"
    "What stands in for a word, [PAD] or <pad>, nobody reads; hustle & bustle, 15 yes; café 😕  closed|  Rain! "
).split("|")
MANY = [7919 * n % 601 + 1 for n in range(601)]
#: (lengths, keep); None is the default. Where keep names a whole number of messages, binary numbers hold it exactly,
#: elsewhere it is far from one: how an answer rounds must not matter.
LENGTHS = [([9, 9, 9, 9], 0.75), *(([12, 7, 31, 9], keep) for keep in (0.5, 0.75, 0.8, 1.0, 0.1))]
LENGTHS += [([640, 20, 20, 1300, 700, 80, 20, 300], 0.875), ([*range(60, 1, -2)], None), ([5], 0.3), (MANY, 0.25)]

Case = namedtuple("Case", "message ids tokenizer first")  # ids: the right ones; first: the learner's own tokenizer


@homework("04_encoding")
def encoding(encode_all, shortest_max_len, tokenizer):
    """Check homework 04: all messages as ids, whole and unpadded, and the smallest length that keeps enough of them.

    Tried with copies of `tokenizer` and of two made for the occasion: cased, with other ids for everything, at most 64
    tokens, adding <s> and </s> or only </s>. Whole numbers of numpy and torch pass for an int.

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
    fresh = ["".join(rng.choices(string.ascii_letters + "   ", k=rng.randint(9, 40))) for _ in range(8)]
    fresh += [" ".join(["rain"] * (100 + min(tokenizer.model_max_length, 1000))), fresh[0]]
    kinds = {
        "your tokenizer": tokenizer,
        "a tokenizer that adds <s> and </s>": _made(rng, "<s> $A </s>", cls_token="<s>", sep_token="</s>"),
        "a tokenizer that adds only </s>": _made(rng, "$A </s>", "Metaspace", eos_token="</s>"),  # spaces count
    }
    first, seen = _copy(tokenizer), []
    for name, kind in kinds.items():
        each, theirs = _copy(kind), _copy(kind)  # a call changes what the next one does
        for messages in MESSAGES[:1], MESSAGES, fresh:
            cases = [Case(message, each(message)["input_ids"], each, first) for message in messages]
            seen += zip(cases, _encoded(encode_all, cases, theirs, f"with {name}, encode_all"))
        if wrong := [(case, ids) for case, ids in seen if ids != case.ids]:
            (case, ids), mistake = wrong[0], explain(seen, MISTAKES)
            saw = f"{describe(case.message)} became {len(ids)} ids: {describe(ids)}; expected {len(case.ids)} ids."
            raise NotYet(mistake.slug if mistake else "other-ids", f"with {name}, {saw}")
    require_callable(shortest_max_len, "shortest_max_len")
    drawn = [([rng.randint(3, 900) for _ in range(n)], rng.randint(1, n) / n) for n in (8, 16, 32, 32)]
    drawn += [(lengths, keep - rng.uniform(0.2, 0.8) / len(lengths)) for lengths, keep in drawn]
    for lengths, keep in [*LENGTHS, *drawn, *((lengths, None) for lengths, _ in drawn)]:
        _judge_length(shortest_max_len, lengths, keep)
    return "three tokenizers: each message whole, with special tokens, unpadded; the length is the smallest that keeps enough."


def _copy(tokenizer):
    with untimed():
        tokenizer = copy.deepcopy(tokenizer)
    tokenizer.deprecation_warnings = {"sequence-length-is-longer-than-the-specified-maximum": True}  # given already
    return tokenizer


def _made(rng, single, splits="BertPreTokenizer", **special):
    """A tokenizer that spells letter by letter, with ids drawn at random."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    special |= {"pad_token": "<pad>", "unk_token": "<unk>"}
    signs = [*string.printable.strip(), "▁"]
    pieces = [*special.values(), *signs, *(f"##{sign}" for sign in signs)]
    ids = dict(zip(pieces, rng.sample(range(200, 200 + len(pieces)), len(pieces))))
    backend = Tokenizer(models.WordPiece(ids, unk_token="<unk>"))
    backend.pre_tokenizer = getattr(pre_tokenizers, splits)()
    added = [(token, ids[token]) for token in special.values()]
    backend.post_processor = processors.TemplateProcessing(single=single, special_tokens=added)
    return PreTrainedTokenizerFast(tokenizer_object=backend, model_max_length=64, **special)


def _encoded(encode_all, cases, tokenizer, called):
    """Return what encode_all gives for these cases, once it has the right form."""
    if backend := getattr(tokenizer, "backend_tokenizer", None):  # as after a call that cut
        backend.enable_truncation(7)
    right, given = [case.ids for case in cases], [case.message for case in cases]
    names = "model_max_length", "padding_side", "truncation_side", "special_tokens_map"

    def state():
        values = {"messages": given, "len(tokenizer)": len(tokenizer)} | {n: getattr(tokenizer, n) for n in names}
        return {name: repr(value) for name, value in values.items()}

    before = state()
    got = require_type(call(encode_all, given, tokenizer), list, called, "a list of lists of ids")
    for name, now in state().items():
        if now != (old := before[name]):
            same = next((k for k, (a, b) in enumerate(zip(old, now)) if a != b), 0)
            at = max(0, same - 20)
            parts = ("…" * (at > 0) + text[at : at + 70] + "…" * (len(text) > at + 70) for text in (old, now))
            raise NotYet("input-changed", f"{called} changed {name} from {' to '.join(parts)}.")
    if any(not isinstance(i, Integral) for ids in got for i in (ids if isinstance(ids, list) else "?")):
        flat = all(isinstance(i, Integral) for i in got) and got == [i for ids in right for i in ids]
        raise NotYet("flat-list" if flat else "wrong-type", f"{called} gave {describe(got)}, expected lists of int.")
    if len(got) != len(right):
        raise NotYet("not-one-list-each", f"{called} returned a list of {len(got)} for a list of {len(right)}.")
    if got != right and sorted(got) == sorted(right):
        raise NotYet("lists-in-another-order", f"{called} returned the right lists, but not in the messages' order.")
    return got


def _bare(case, text="{}"):
    return case.tokenizer(text.replace("{}", case.message), add_special_tokens=False)["input_ids"]


def _cut(case, ids, pads=()):
    """Are these, without padding at the ends, the right ids, or some from the beginning or the end (and the last, first)?"""
    text = [k for k, i in enumerate(ids) if i not in pads]
    right, ids, n = case.ids, ids[text[0] : text[-1] + 1], text[-1] + 1 - text[0]
    cuts = right[:n], right[-n:], [*right[: n - 1], right[-1]], [right[0], *right[1 - n :]]
    return ids == right or (2 <= n < len(right) and ids in cuts)


MISTAKES = [
    Mistake("no-special-tokens", lambda case: [_bare(case), case.ids[1:], case.ids[:-1]].__contains__),
    Mistake("names-as-text", lambda case: _bare(case, "[CLS] {} [SEP]")),
    Mistake("special-tokens-twice", lambda case: case.ids[:1] + case.ids + case.ids[-1:]),
    Mistake("special-tokens-twice", lambda case: [case.ids[:1] + case.ids, case.ids + case.ids[-1:]].__contains__),
    Mistake("ids-of-another-tokenizer", lambda case: case.first(case.message)["input_ids"]),
    Mistake("ids-of-another-tokenizer", lambda case: [case.first.cls_token_id, *_bare(case), case.first.sep_token_id]),
    Mistake("mask-for-ids", lambda case: lambda ids: len(ids) == len(case.ids) and {*ids} <= {0, 1}),
    Mistake("cut-too-early", lambda case: lambda ids: _cut(case, ids)),
    Mistake("padded-already", lambda case: lambda ids: _cut(case, ids, {case.tokenizer.pad_token_id, 0})),
]


def _judge_length(shortest_max_len, lengths, keep):
    """Raise `NotYet` unless shortest_max_len gives the smallest length that leaves `keep` of the messages whole."""
    given, share = [*lengths], keep or 0.95
    called = f"shortest_max_len({describe(lengths, 45)}{f', keep={keep:.4g}' if keep else ''})"
    got = call(shortest_max_len, given, **({"keep": keep} if keep else {}))
    try:
        length = operator.index(None if isinstance(got, bool) or getattr(got, "ndim", 0) else got)
    except TypeError:
        require_type(got, (), called, "an int")
    if given != lengths:
        raise NotYet("input-changed", f"{called} changed lengths from {describe(lengths)} to {describe(given)}.")
    whole, shorter = (sum(n <= most for n in lengths) / len(lengths) for most in (length, length - 1))
    least = f"{100 * share:.4g}%{'' if keep else ', the default'}"
    saw = f"{called} returned {length}: {100 * whole:.4g}% of the messages stay whole"
    if whole < share or shorter >= share:
        if keep and len({describe(call(shortest_max_len, [*MANY], keep=other)) for other in (0.25, 0.5, 0.75)}) == 1:
            raise NotYet("keep-ignored", f"{saw}; and for 601 lengths, keep=0.25, 0.5 and 0.75 gave the same.")
        if whole < share:
            raise NotYet("cuts-too-many", f"{saw}, fewer than {least}.")
        raise NotYet("longer-than-needed", f"{saw}; a smaller length would also keep at least {least}.")
