"""Homework 01: BERT's own way to choose masks."""

import copy
import functools
import random

from ._engine import NotYet, call, homework, require_callable, require_type

IGNORED = -100  # the label that torch's cross-entropy skips
NATS = 40  # a count is called wrong where a right answer gives one like it with a chance below 2 * exp(-NATS)
OWN_IDS = ("raises", "special-token-chosen", "wrong-probability", "fixed-number", "not-80-10-10")
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = "the a river sea town we you birds go sing rain snow and but at in night day slowly".split()


@homework("01_pretraining_and_finetuning")
def mask_tokens(mask_tokens, tokenizer):
    """Check homework 01: BERT's masks, with this tokenizer and with a small one that has other ids.

    Whether a random id may be a special token or the original does not matter, nor what draws the numbers, if its seed
    comes from torch's generator. A list, or one stacked tensor, is as good as a pair.

    Parameters
    ----------
    mask_tokens : callable
        The learner's ``mask_tokens(input_ids, tokenizer, probability=0.15, generator=None) -> (inputs, labels)``.
    tokenizer : transformers.PreTrainedTokenizerBase
        A tokenizer that has [CLS], [SEP], [PAD] and [MASK].

    Raises
    ------
    NotYet
        With `misconception` set to the name of the mistake.
    """
    import torch

    require_callable(mask_tokens, "mask_tokens")
    tokenizer = copy.deepcopy(tokenizer)
    seed = random.SystemRandom().getrandbits(60)
    draw = torch.Generator().manual_seed(seed)
    p = round(0.45 + 0.1 * torch.rand(1, generator=draw).item(), 2)
    few, many = _texts(tokenizer, (40, 30), draw), _texts(tokenizer, (120, 90), draw)
    one_word = torch.tensor([tokenizer.cls_token_id, 0, tokenizer.sep_token_id]).repeat(200, 1)
    one_word[:, 1] = many[_ordinary(tokenizer)[many]][:200]

    def chosen(ids, **options):
        return int((_masks(mask_tokens, tokenizer, ids, **options)[2] != IGNORED).sum())

    if (number := chosen(few)) in (0, words := int(_ordinary(tokenizer)[few].sum())):
        raise NotYet("all-or-none", f"{number} of {words} words were chosen, in {len(few)} texts.")
    chosen(few[4]), chosen(few[4:5])  # one text, and a batch of one
    _right_recipe(p, tokenizer, *_masks(mask_tokens, tokenizer, many, probability=p))
    # a uniform number may be exactly 0, and `<=` is as good as `<`; but not in three calls in turn
    if number := min(chosen(few[:9], probability=0.0) for _ in range(3)):
        raise NotYet(
            "wrong-probability", f"with probability=0.0, words were chosen in each of 3 calls (at least {number})."
        )
    _right_share(1.0, tokenizer, *_masks(mask_tokens, tokenizer, few[:9], probability=1.0))
    _right_share(0.25, tokenizer, *_masks(mask_tokens, tokenizer, one_word, probability=0.25))
    _right_generators(mask_tokens, tokenizer, few, seed)
    counts = {chosen(one_word[0, [0, *[1] * 90, 2]], probability=0.5) for _ in range(10)}
    each = "in each of 10 calls with probability=0.5 and a text that repeats one word 90 times"
    if counts <= {0, 90}:
        raise NotYet("all-or-none", f"all 90 words were chosen or none, {each}.")
    if len(counts) == 1:
        raise NotYet("fixed-number", f"{counts.pop()} of the 90 words were chosen {each}.")
    _another_tokenizer(mask_tokens, seed, draw)
    return (
        "inputs and labels fit together; no special token is ever chosen; each word is chosen with the probability "
        "asked for and treated 80/10/10; the same seed repeats the masks; a tokenizer with different ids works too."
    )


def small_tokenizer(seed, words=WORDS):
    """Return a cased BertTokenizer of few tokens: the special ones at random ids, ordinary words at both ends."""
    from transformers import BertTokenizer

    tokens = [*SPECIAL, *words[2:]]
    random.Random(seed).shuffle(tokens)
    vocab = {token: number for number, token in enumerate([words[0], *tokens, words[1]])}
    return BertTokenizer(vocab=vocab, model_max_length=512, do_lower_case=False)


def _ordinary(tokenizer):
    """For every id, whether it is no special token."""
    import torch

    ordinary = torch.ones(len(tokenizer), dtype=torch.bool)
    ordinary[tokenizer.all_special_ids] = False
    return ordinary


def _texts(tokenizer, shape, draw, every=1):
    """Rows of words: pieces of texts, pairs with [UNK] and [MASK], padded on the right or on the left, padding alone."""
    import torch

    cls, sep, pad = tokenizer.cls_token_id, tokenizer.sep_token_id, tokenizer.pad_token_id
    start = torch.tensor([cls, tokenizer.unk_token_id, tokenizer.mask_token_id])
    words = _ordinary(tokenizer).nonzero()[: 1 - every or None : every, 0]  # every second: without the last
    ids, length = words[torch.randint(len(words), shape, generator=draw)], shape[1]
    for n, end in enumerate(torch.randint(3 * length // 4, length + 1, shape[:1], generator=draw).tolist()):
        if n % 3 == 1:
            ids[n, :3], ids[n, end // 2], ids[n, end - 1], ids[n, end:] = start, sep, sep, pad
        if n % 6 == 4:
            ids[n] = ids[n].roll(length - end)
    ids[5] = pad
    return ids


def _masks(mask_tokens, tokenizer, ids, **options):
    """Call the answer; return (ids, inputs, labels) where these fit together, whatever chance has chosen."""
    import torch

    given = ids.clone()
    asked = "".join(f", {name}={'…' if name == 'generator' else value}" for name, value in options.items())
    text = f"mask_tokens(input_ids of shape {tuple(ids.shape)}, tokenizer{asked})"
    try:
        pair = call(mask_tokens, given, tokenizer, **options)
    except NotYet as not_yet:
        raise NotYet(not_yet.misconception, f"{not_yet.saw} I called {text}.") from None
    if not torch.equal(given, ids):
        raise NotYet("input-changed", f"after {text}, {int((given != ids).sum())} of the input_ids had changed.")
    if isinstance(pair, torch.Tensor) and pair.ndim == ids.ndim + 1:
        pair = tuple(pair)
    require_type(pair, (tuple, list), text, "a pair (inputs, labels)")
    if len(pair) != 2:
        raise NotYet("wrong-type", f"{text} returned {len(pair)} things, expected two: (inputs, labels).")
    for name, part in zip(("inputs", "labels"), pair):
        require_type(part, torch.Tensor, f"as {name}, {text}", "a tensor")
        if part.dtype != torch.long:
            raise NotYet("wrong-type", f"{name} are {part.dtype}, expected torch.int64, like input_ids.")
        if part.shape != ids.shape:
            raise NotYet("masks-shape", f"{text} returned {name} of shape {tuple(part.shape)}.")
    _fit(ids, *pair, tokenizer)
    return ids, *pair


def _fit(ids, inputs, labels, tokenizer):
    """What holds for every single token."""
    size, chosen = len(tokenizer), labels != IGNORED
    if (inputs == IGNORED).any() and chosen.all():
        raise NotYet("swapped-pair", f"the first tensor holds {IGNORED}, the second only ids.")
    if chosen.all():
        raise NotYet("no-ignore-index", f"none of the {labels.numel()} labels is {IGNORED}: all would be scored.")
    special, changed = ~_ordinary(tokenizer)[ids], int((inputs != ids).sum())
    if (chosen | special).all() and 2 * changed < (words := int((~special).sum())):
        saw = f"each of the {words} words has a label; inputs differ from the text at {changed} positions."
        raise NotYet("no-ignore-index", saw)
    wrong = chosen & (labels != ids)
    if wrong.any():
        at = tuple(wrong.nonzero()[0].tolist())
        slug = "labels-after-masking" if (labels == inputs)[wrong].all() else "other-labels"
        raise NotYet(
            slug,
            f"at position {at} the text has id {ids[at]}, inputs have {inputs[at]}, and the label is {labels[at]}.",
        )
    hidden = (inputs != ids) & ~chosen
    if (hidden & ~special).any():
        saw = f"inputs differ from the text at {changed} positions; {int(hidden.sum())} of them have no label."
        raise NotYet("changed-without-label", saw)
    if (special & (chosen | hidden)).any():
        token = tokenizer.convert_ids_to_tokens(int(ids[special & (chosen | hidden)][0]))
        saw = f"{int((special & chosen).sum())} special tokens have a label, {int((special & hidden).sum())} were replaced "
        raise NotYet("special-token-chosen", f"{saw}in inputs without one; the first of them is {token}.")
    outside = inputs[(inputs < 0) | (inputs >= size)]
    if outside.numel():
        # one too many is a slip; far beyond the small tokenizer's is a larger one's size, or its [MASK]
        slug = "one-tokenizer-only" if outside.max() > size and size < 100 else "outside-vocabulary"
        raise NotYet(slug, f"inputs hold the id {outside.max()}; this tokenizer's ids are 0 to {size - 1}.")


def _first_off(hits, among, low, high):
    """The first of several counts that chance cannot explain, where each hit has a probability in low..high, or None.

    Chernoff's bound: such a count has a chance below exp(-among * KL(share, probability)).
    """
    import torch

    hits, among, low, high = (torch.as_tensor(value, dtype=torch.double) for value in (hits, among, low, high))
    share = hits / among.clamp(min=1)
    p = torch.minimum(torch.maximum(share, (low - 1e-7).clamp(min=1e-12)), (high + 1e-7).clamp(max=1 - 1e-12))
    nats = among * (torch.xlogy(share, share / p) + torch.xlogy(1 - share, (1 - share) / (1 - p)))
    return next(iter((nats.reshape(-1) > NATS).nonzero()[:, 0].tolist()), None)


def _right_share(p, tokenizer, ids, inputs, labels):
    """As many words were chosen as should be?"""
    ordinary, chosen = _ordinary(tokenizer)[ids], labels != IGNORED
    words, number = int(ordinary.sum()), int(chosen.sum())
    if _first_off(number, words, p, p) is not None:
        saw = f"with probability={p}, {number:,} of {words:,} words were chosen, in {len(ids)} texts"
        if left := ids[ordinary & ~chosen].unique().tolist() if p == 1 else []:
            names = ", ".join(f"{tokenizer.convert_ids_to_tokens(i)} ({i})" for i in left[:4])
            saw += f"; not chosen: {names}{', …' * (len(left) > 4)}"
        raise NotYet("fixed-number" if 0 < p < 1 and number in (0, words) else "wrong-probability", f"{saw}.")


def _right_recipe(p, tokenizer, ids, inputs, labels):
    """Every word has the same chances, whatever and wherever it is; the chosen ones are treated 80/10/10."""
    import torch

    size, ordinary, chosen = len(tokenizer), _ordinary(tokenizer), labels != IGNORED
    masked, stayed = chosen & (inputs == tokenizer.mask_token_id), chosen & (inputs == ids)
    other = chosen & ~masked & ~stayed
    for hit, among, what in ((chosen, ordinary[ids], "words were chosen"), (masked, chosen, "chosen words are [MASK]")):
        share = hit.sum() / among.sum().clamp(min=1)
        for axis, place in ((1, "row"), (0, "column")):
            hits, of = hit.sum(axis), among.sum(axis)
            at = _first_off(hits, of, share, share)
            if at is not None:
                raise NotYet(
                    "unequal-chances", f"in {place} {at}, {hits[at]} of {of[at]} {what}; overall, {share:.0%}."
                )
    n, by_chance = int(chosen.sum()), 0.1 / (size - 6)  # a random id may be the original, or [MASK]
    shares = ((masked, 0.8, 0.8 + by_chance), (stayed, 0.1, 0.1 + by_chance), (other, 0.1 - 2 * by_chance, 0.1))
    if any(_first_off(part.sum(), n, low, high) is not None for part, low, high in shares):
        of = [f"{part.sum() / n:.1%}" for part, _, _ in shares]
        saw = f"of {n:,} chosen words, {of[0]} became [MASK], {of[1]} stayed as they are, {of[2]} became another id."
        raise NotYet("not-80-10-10", saw)
    _right_share(p, tokenizer, ids, inputs, labels)
    hits = torch.bincount(inputs[other], minlength=size)
    of = n - torch.bincount(ids[chosen], minlength=size)
    at = _first_off(hits, of, torch.where(ordinary, 0.1 / size, 0), by_chance)
    if at is not None:
        saw = f"of {int(other.sum()):,} random ids, {hits[at]} are id {at}; about {other.sum() / size:.2g} would be expected."
        raise NotYet("uneven-random-ids", saw)


def _right_generators(mask_tokens, tokenizer, ids, seed):
    """A generator, or torch's own where there is none, decides everything, and goes on from call to call."""
    import torch

    for options in ({}, {"generator": torch.Generator()}):
        generator = options.get("generator", torch.default_generator)
        which = "the same generator" if options else "torch's own generator (generator=None)"
        masks = functools.partial(_masks, mask_tokens, tokenizer, ids, **options)
        generator.manual_seed(seed)
        first, later = masks(probability=0.15), masks(probability=0.15)
        generator.manual_seed(seed)
        again = masks(probability=0.15)
        generator.manual_seed(seed)
        by_default = masks()
        if _equal(first, later):
            raise NotYet("same-masks-again", f"two calls in a row with {which} gave exactly the same masks.")
        if not _equal(first, again):
            raise NotYet("generator-ignored", f"with {which} and the same seed, two calls gave different masks.")
        if not _equal(first, by_default):
            saw = "with the same seed, leaving probability out gave masks that differ from those for probability=0.15."
            raise NotYet("wrong-probability", saw)


def _another_tokenizer(mask_tokens, seed, draw):
    """Hard-coded ids are noticed with a tokenizer whose ids differ."""
    tokenizer = small_tokenizer(seed)
    ids = _texts(tokenizer, (16, 1000), draw, every=2)
    try:
        _right_recipe(0.9, tokenizer, *_masks(mask_tokens, tokenizer, ids, probability=0.9))
    except NotYet as not_yet:
        if not_yet.misconception not in OWN_IDS:
            raise
        names = ", ".join(f"{token} is {tokenizer.convert_tokens_to_ids(token)}" for token in SPECIAL)
        saw = f"with a tokenizer of {len(tokenizer)} tokens ({names}): {not_yet.saw}"
        raise NotYet("one-tokenizer-only", saw) from None


def _equal(one, other):
    return all(bool((a == b).all()) for a, b in zip(one, other))
