"""Fresh learner answers to homework 01: RIGHT and WRONG `mask_tokens`."""

import functools
import random

import numpy as np
import torch

# ---------------------------------------------------------------- right


def r_hints(input_ids, tokenizer, probability=0.15, generator=None):
    special = torch.isin(input_ids, torch.tensor(tokenizer.all_special_ids))
    chosen = (torch.rand(input_ids.shape, generator=generator) < probability) & ~special
    fate = torch.rand(input_ids.shape, generator=generator)
    labels = input_ids.masked_fill(~chosen, -100)
    inputs = input_ids.masked_fill(chosen & (fate < 0.8), tokenizer.mask_token_id)
    words = torch.randint(len(tokenizer), input_ids.shape, generator=generator)
    return torch.where(chosen & (fate >= 0.9), words, inputs), labels


def r_loop(input_ids, tokenizer, probability=0.15, generator=None):
    inputs = input_ids.clone()
    labels = torch.full_like(input_ids, -100)
    flat_in, flat_lab = inputs.view(-1), labels.view(-1)
    for i in range(flat_in.numel()):
        token = flat_in[i].item()
        if token in tokenizer.all_special_ids:
            continue
        if torch.rand(1, generator=generator).item() < probability:
            flat_lab[i] = token
            dice = torch.rand(1, generator=generator).item()
            if dice < 0.8:
                flat_in[i] = tokenizer.mask_token_id
            elif dice < 0.9:
                flat_in[i] = torch.randint(0, len(tokenizer), (1,), generator=generator).item()
    return inputs, labels


def r_recursive(input_ids, tokenizer, probability=0.15, generator=None):
    """A batch is its rows, one after the other."""
    if input_ids.dim() > 1:
        pairs = [r_recursive(row, tokenizer, probability, generator) for row in input_ids]
        return torch.stack([p[0] for p in pairs]), torch.stack([p[1] for p in pairs])
    return r_hints(input_ids, tokenizer, probability, generator)


def r_one_draw(input_ids, tokenizer, probability=0.15, generator=None):
    """One number per token says both whether it is chosen and what becomes of it."""
    u = torch.rand(input_ids.shape, generator=generator, dtype=torch.float64)
    ok = ~torch.isin(input_ids, torch.tensor(tokenizer.all_special_ids))
    chosen = ok & (u < probability)
    inputs = input_ids.clone()
    inputs[chosen & (u < 0.8 * probability)] = tokenizer.mask_token_id
    swap = chosen & (u >= 0.9 * probability)
    inputs[swap] = torch.randint(0, len(tokenizer), (int(swap.sum()),), generator=generator)
    return inputs, torch.where(chosen, input_ids, -100)


def r_numpy(input_ids, tokenizer, probability=0.15, generator=None):
    """numpy for the arithmetic, torch for the dice."""
    ids = input_ids.numpy()
    shape = tuple(ids.shape)
    draw = torch.rand((2, *shape), generator=generator).numpy()
    words = torch.randint(len(tokenizer), shape, generator=generator).numpy()
    chosen = ~np.isin(ids, tokenizer.all_special_ids) & (draw[0] < probability)
    labels = np.where(chosen, ids, -100)
    inputs = np.select(
        [chosen & (draw[1] < 0.8), chosen & (draw[1] < 0.9)], [np.full(shape, tokenizer.mask_token_id), words], ids
    )
    return torch.from_numpy(inputs).long(), torch.from_numpy(labels).long()


def r_inplace(input_ids, tokenizer, probability=0.15, generator=None):
    is_special = sum((input_ids == s) for s in tokenizer.all_special_ids).bool()
    chosen = torch.empty(input_ids.shape).bernoulli_(probability, generator=generator).bool()
    chosen &= ~is_special
    fate = torch.empty(input_ids.shape).uniform_(0, 1, generator=generator)
    noise = torch.empty_like(input_ids).random_(0, len(tokenizer), generator=generator)
    inputs = input_ids.clone()
    inputs[chosen & (fate < 0.8)] = tokenizer.mask_token_id
    where = chosen & (fate > 0.9)
    inputs[where] = noise[where]
    labels = input_ids.clone()
    labels[~chosen] = -100
    return inputs, labels


def r_default_generator(input_ids, tokenizer, probability=0.15, generator=None):
    """Explicit about what None means; ten-sided dice."""
    g = generator or torch.default_generator
    special = torch.zeros_like(input_ids, dtype=torch.bool)
    for name in tokenizer.all_special_tokens:
        special |= input_ids == tokenizer.convert_tokens_to_ids(name)
    chosen = torch.rand(input_ids.size(), generator=g).lt(probability).logical_and(special.logical_not())
    die = torch.randint(1, 11, input_ids.size(), generator=g)
    inputs = torch.where(chosen & (die <= 8), tokenizer.mask_token_id, input_ids)
    inputs = torch.where(chosen & (die == 9), torch.randint(0, len(tokenizer), input_ids.size(), generator=g), inputs)
    return inputs, input_ids.where(chosen, torch.tensor(-100))


def r_positions(input_ids, tokenizer, probability=0.15, generator=None):
    """Works on the list of candidate places only."""
    inputs, labels = input_ids.flatten().clone(), torch.full((input_ids.numel(),), -100)
    known = set(tokenizer.all_special_ids)
    places = torch.tensor([i for i, t in enumerate(inputs.tolist()) if t not in known], dtype=torch.long)
    places = places[torch.rand(len(places), generator=generator) < probability]
    labels[places] = inputs[places]
    fate = torch.rand(len(places), generator=generator)
    inputs[places[fate < 0.8]] = tokenizer.mask_token_id
    swap = places[fate >= 0.9]
    inputs[swap] = torch.randint(len(tokenizer), swap.shape, generator=generator)
    return inputs.reshape(input_ids.shape), labels.reshape(input_ids.shape)


def r_multinomial(input_ids, tokenizer, probability=0.15, generator=None):
    """All the fates at once: 0 leave alone, 1 mask, 2 random, 3 stay."""
    p = probability
    shares = torch.tensor([1 - p, 0.8 * p, 0.1 * p, 0.1 * p])
    kind = torch.multinomial(shares, input_ids.numel(), replacement=True, generator=generator)
    kind = kind.reshape(input_ids.shape)
    kind[torch.isin(input_ids, torch.tensor(tokenizer.all_special_ids))] = 0
    inputs = input_ids.clone()
    inputs[kind == 1] = tokenizer.mask_token_id
    inputs[kind == 2] = torch.randint(len(tokenizer), (int((kind == 2).sum()),), generator=generator)
    return inputs, input_ids.masked_fill(kind == 0, -100)


class Masker:
    def __init__(self, shares=(0.8, 0.1), ignore=-100):
        self.mask_share, self.random_share = shares
        self.ignore = ignore

    def __call__(self, input_ids, tokenizer, probability=0.15, generator=None):
        rand = functools.partial(torch.rand, input_ids.shape, generator=generator)
        chosen = (rand() < probability) & self.ordinary(input_ids, tokenizer)
        to_mask = chosen & (rand() < self.mask_share)
        rest = chosen & ~to_mask
        to_swap = rest & (rand() < self.random_share / (1 - self.mask_share))
        words = torch.randint(len(tokenizer), input_ids.shape, generator=generator)
        inputs = input_ids.masked_fill(to_mask, tokenizer.mask_token_id)
        return torch.where(to_swap, words, inputs), input_ids.masked_fill(~chosen, self.ignore)

    @staticmethod
    def ordinary(ids, tokenizer):
        return (ids.unsqueeze(-1) != torch.tensor(tokenizer.all_special_ids)).all(dim=-1)


def _generic(input_ids, tokenizer, probability=0.15, generator=None, mask_share=0.8, random_share=0.1):
    table = torch.zeros(len(tokenizer), dtype=torch.bool)  # a look-up table over the vocabulary
    table[tokenizer.all_special_ids] = True
    dice = torch.rand(3, *input_ids.shape, generator=generator)
    chosen = (dice[0] < probability) & ~table[input_ids]
    words = (dice[2].double() * len(tokenizer)).long().clamp(max=len(tokenizer) - 1)
    inputs = torch.where(chosen & (dice[1] < mask_share), tokenizer.mask_token_id, input_ids)
    swap = chosen & (dice[1] >= mask_share) & (dice[1] < mask_share + random_share)
    return torch.where(swap, words, inputs), torch.where(chosen, input_ids, torch.full_like(input_ids, -100))


r_partial = functools.partial(_generic, mask_share=0.8, random_share=0.1)


def r_lists(input_ids, tokenizer, probability=0.15, generator=None):
    def toss():
        return float(torch.rand((), generator=generator))

    def one(token):
        if token in tokenizer.all_special_ids or toss() >= probability:
            return token, -100
        fate = toss()
        if fate < 0.8:
            return tokenizer.mask_token_id, token
        if fate < 0.9:
            return int(torch.randint(len(tokenizer), (), generator=generator)), token
        return token, token

    both = torch.tensor([one(t) for t in input_ids.flatten().tolist()], dtype=torch.long).reshape(-1, 2)
    return both[:, 0].reshape(input_ids.shape), both[:, 1].reshape(input_ids.shape)


def r_seed_from_torch(input_ids, tokenizer, probability=0.15, generator=None):
    """A generator of its own, whose seed is drawn from torch's."""
    if generator is None:
        generator = torch.Generator().manual_seed(int(torch.randint(2**62, (1,))))
    return r_hints(input_ids, tokenizer, probability, generator)


def r_numpy_from_torch(input_ids, tokenizer, probability=0.15, generator=None):
    """numpy's dice, whose seed is drawn from the generator."""
    dice = np.random.default_rng(int(torch.randint(2**62, (1,), generator=generator)))
    kind = torch.from_numpy(dice.random(tuple(input_ids.shape)))
    words = torch.from_numpy(dice.integers(len(tokenizer), size=tuple(input_ids.shape)))
    kind[torch.isin(input_ids, torch.tensor(tokenizer.all_special_ids))] = 1
    inputs = torch.where(kind < 0.8 * probability, tokenizer.mask_token_id, input_ids)
    inputs = torch.where((kind >= 0.9 * probability) & (kind < probability), words, inputs)
    return inputs, torch.where(kind < probability, input_ids, -100)


RIGHT = {
    "as the hints say": r_hints,
    "loop over every token": r_loop,
    "row by row, recursive": r_recursive,
    "one draw for both decisions": r_one_draw,
    "numpy arithmetic, torch dice": r_numpy,
    "in-place random methods": r_inplace,
    "default generator named, ten-sided die": r_default_generator,
    "list of places": r_positions,
    "multinomial fates": r_multinomial,
    "class with __call__": Masker(),
    "functools.partial and a look-up table": r_partial,
    "pure Python lists": r_lists,
    "seed drawn from torch": r_seed_from_torch,
    "numpy, seed drawn from torch": r_numpy_from_torch,
}

# ---------------------------------------------------------------- wrong


def _variant(special=None, choose=None, fate=None, words=None, mask_share=0.8, keep_from=0.9):
    """An answer by the hints with one part exchanged; for the mistakes of one line."""

    def answer(ids, tokenizer, probability=0.15, generator=None):
        sp = special(ids, tokenizer) if special else torch.isin(ids, torch.tensor(tokenizer.all_special_ids))
        u = choose(ids, generator) if choose else torch.rand(ids.shape, generator=generator)
        chosen = (u < probability) & ~sp
        f = fate(ids, generator, u) if fate else torch.rand(ids.shape, generator=generator)
        w = words(ids, tokenizer, generator) if words else torch.randint(len(tokenizer), ids.shape, generator=generator)
        inputs = ids.masked_fill(chosen & (f < mask_share), tokenizer.mask_token_id)
        inputs = torch.where(chosen & (f >= mask_share) & (f < keep_from), w, inputs)
        return inputs, ids.masked_fill(~chosen, -100)

    return answer


def w_special_labels_only(input_ids, tokenizer, probability=0.15, generator=None):
    chosen = torch.rand(input_ids.shape, generator=generator) < probability
    fate = torch.rand(input_ids.shape, generator=generator)
    labels = input_ids.masked_fill(~chosen, -100)
    labels[torch.isin(input_ids, torch.tensor(tokenizer.all_special_ids))] = -100
    inputs = input_ids.masked_fill(chosen & (fate < 0.8), tokenizer.mask_token_id)
    words = torch.randint(len(tokenizer), input_ids.shape, generator=generator)
    return torch.where(chosen & (fate >= 0.9), words, inputs), labels


def w_pad_labels_only(input_ids, tokenizer, probability=0.15, generator=None):
    inputs, labels = _variant(special=lambda i, t: torch.zeros_like(i, dtype=torch.bool))(
        input_ids, tokenizer, probability, generator
    )
    labels[labels == tokenizer.pad_token_id] = -100
    return inputs, labels


def w_mask_not_applied(input_ids, tokenizer, probability=0.15, generator=None):
    special = torch.isin(input_ids, torch.tensor(tokenizer.all_special_ids))
    chosen = torch.rand(input_ids.shape, generator=generator) < probability
    chosen & ~special
    fate = torch.rand(input_ids.shape, generator=generator)
    labels = input_ids.masked_fill(~chosen, -100)
    inputs = input_ids.masked_fill(chosen & (fate < 0.8), tokenizer.mask_token_id)
    words = torch.randint(len(tokenizer), input_ids.shape, generator=generator)
    return torch.where(chosen & (fate >= 0.9), words, inputs), labels


def w_numpy_global(input_ids, tokenizer, probability=0.15, generator=None):
    if generator is not None:
        return r_hints(input_ids, tokenizer, probability, generator)
    special = torch.isin(input_ids, torch.tensor(tokenizer.all_special_ids))
    chosen = torch.from_numpy(np.random.rand(*input_ids.shape) < probability) & ~special
    fate = torch.from_numpy(np.random.rand(*input_ids.shape))
    words = torch.from_numpy(np.random.randint(0, len(tokenizer), tuple(input_ids.shape)))
    inputs = input_ids.masked_fill(chosen & (fate < 0.8), tokenizer.mask_token_id)
    return torch.where(chosen & (fate >= 0.9), words, inputs), input_ids.masked_fill(~chosen, -100)


def w_fixed_seed(input_ids, tokenizer, probability=0.15, generator=None):
    if generator is None:
        generator = torch.Generator().manual_seed(42)
    return r_hints(input_ids, tokenizer, probability, generator)


def w_fresh_entropy(input_ids, tokenizer, probability=0.15, generator=None):
    if generator is None:
        generator = torch.Generator()
        generator.seed()
    return r_hints(input_ids, tokenizer, probability, generator)


def w_manual_seed(input_ids, tokenizer, probability=0.15, generator=None):
    if generator is not None:
        torch.manual_seed(generator.initial_seed())
    return r_hints(input_ids, tokenizer, probability, None)


def w_half_overwrites(input_ids, tokenizer, probability=0.15, generator=None):
    inputs = input_ids.clone()
    chosen = torch.rand(inputs.shape, generator=generator) < probability
    chosen &= ~torch.isin(inputs, torch.tensor(tokenizer.all_special_ids))
    inputs[chosen & (torch.rand(inputs.shape, generator=generator) < 0.8)] = tokenizer.mask_token_id
    swap = chosen & (torch.rand(inputs.shape, generator=generator) < 0.5)
    inputs[swap] = torch.randint(len(tokenizer), inputs.shape, generator=generator)[swap]
    return inputs, input_ids.masked_fill(~chosen, -100)


def w_exact_share(input_ids, tokenizer, probability=0.15, generator=None):
    inputs, labels = input_ids.clone().view(-1), torch.full((input_ids.numel(),), -100)
    places = (~torch.isin(inputs, torch.tensor(tokenizer.all_special_ids))).nonzero().squeeze(1)
    count = max(1, round(probability * len(places)))
    places = places[torch.randperm(len(places), generator=generator)[:count]]
    labels[places] = inputs[places]
    fate = torch.rand(len(places), generator=generator)
    inputs[places[fate < 0.8]] = tokenizer.mask_token_id
    swap = places[fate >= 0.9]
    inputs[swap] = torch.randint(len(tokenizer), swap.shape, generator=generator)
    return inputs.view(input_ids.shape), labels.view(input_ids.shape)


def w_squeezes(input_ids, tokenizer, probability=0.15, generator=None):
    inputs, labels = r_hints(input_ids, tokenizer, probability, generator)
    return inputs.squeeze(), labels.squeeze()


def w_ends_only(input_ids, tokenizer, probability=0.15, generator=None):
    special = torch.zeros_like(input_ids, dtype=torch.bool)
    special[..., 0] = True
    special[..., -1] = True
    return _variant(special=lambda i, t: special)(input_ids, tokenizer, probability, generator)


def w_old_api(input_ids, tokenizer, probability=0.15, generator=None):
    plain = tokenizer.decode(input_ids.flatten().tolist(), skip_special_tokens=True)
    encoded = tokenizer.encode_plus(plain, return_special_tokens_mask=True, return_tensors="pt")
    special = encoded["special_tokens_mask"].bool().view(input_ids.shape)
    return _variant(special=lambda i, t: special)(input_ids, tokenizer, probability, generator)


def w_python_random(input_ids, tokenizer, probability=0.15, generator=None):
    def words(i, t, g):
        return torch.tensor([random.randrange(len(t)) for _ in range(i.numel())]).view(i.shape)

    return _variant(words=words)(input_ids, tokenizer, probability, generator)


def w_two_mistakes(input_ids, tokenizer, probability=0.15, generator=None):
    chosen = (torch.rand(input_ids.shape, generator=generator) < probability) & (input_ids > 102)
    labels = torch.where(chosen, -100, input_ids)
    fate = torch.rand(input_ids.shape)
    return input_ids.masked_fill(chosen & (fate < 0.8), 103), labels


def w_labels_but_special(input_ids, tokenizer, probability=0.15, generator=None):
    labels = input_ids.clone()
    labels[torch.isin(input_ids, torch.tensor(tokenizer.all_special_ids))] = -100
    return r_hints(input_ids, tokenizer, probability, generator)[0], labels


def w_labels_but_pad(input_ids, tokenizer, probability=0.15, generator=None):
    labels = input_ids.clone()
    labels[labels == tokenizer.pad_token_id] = -100
    return r_hints(input_ids, tokenizer, probability, generator)[0], labels


def w_exact_number(input_ids, tokenizer, probability=0.15, generator=None):
    flat = input_ids.flatten()
    places = (~torch.isin(flat, torch.tensor(tokenizer.all_special_ids))).nonzero()[:, 0]
    places = places[torch.randperm(len(places), generator=generator)[: round(probability * len(places))]]
    chosen = torch.zeros_like(flat, dtype=torch.bool)
    chosen[places] = True
    inputs, labels = r_hints(input_ids, tokenizer, 1.0, generator)
    chosen = chosen.view(input_ids.shape)
    return torch.where(chosen, inputs, input_ids), labels.masked_fill(~chosen, -100)


CALLS = []


def w_counter(input_ids, tokenizer, probability=0.15, generator=None):
    CALLS.append(1)
    return r_hints(input_ids, tokenizer, probability, generator or torch.Generator().manual_seed(len(CALLS)))


def _ids(*names):
    return lambda i, t: torch.isin(i, torch.tensor([getattr(t, n) for n in names]))


def _fixed_words(i, t, g):
    return torch.randint(len(t), (1,), generator=g).expand(i.shape)


def _shape_rows(i, g):
    return torch.rand((*i.shape[:-1], 1), generator=g).expand(i.shape)


WRONG = {
    # special tokens get masked in the inputs; only their labels are -100; any input
    "special only in labels": ("special-token-chosen", w_special_labels_only),
    # nothing special is spared in the inputs, and [CLS], [SEP] are labelled too; any input
    "pad only in labels": ("special-token-chosen", w_pad_labels_only),
    # `chosen & ~special` is computed and thrown away, so special tokens are chosen; any input
    "mask never applied": ("special-token-chosen", w_mask_not_applied),
    # one throw for the whole tensor: all tokens are chosen or none; any input
    "one coin": ("all-or-none", _variant(choose=lambda i, g: torch.rand(1, generator=g).expand(i.shape))),
    # one throw for each text: a whole text is chosen or none of it; any input
    "one coin a row": ("unequal-chances", _variant(choose=_shape_rows)),
    # chosen tokens of one call all share one fate, for it is drawn once; any input
    "one fate for all": ("not-80-10-10", _variant(fate=lambda i, g, u: torch.rand(1, generator=g).expand(i.shape))),
    # the fate is the draw that chose (always below 0.15), so every chosen token becomes [MASK]; any input
    "same draw twice": ("not-80-10-10", _variant(fate=lambda i, g, u: u)),
    # one random id stands at all swapped places of a call; shows where two or more are swapped
    "same random word": ("uneven-random-ids", _variant(words=_fixed_words)),
    # ids below 999 are taken as special; BERT has letters and signs from 1000 on but other tokenizers have words
    # below 999, and there special ids may lie above
    "below 999 special": ("wrong-probability or one-tokenizer-only", _variant(special=lambda i, t: i < 999)),
    # everything before the first word ('the', 1996) is spared, so full stops, digits and letters are never chosen
    "below 1996 special": ("wrong-probability", _variant(special=lambda i, t: i < 1996)),
    # [PAD] may be chosen; only in padded batches
    "forgot PAD": (
        "special-token-chosen",
        _variant(special=_ids("cls_token_id", "sep_token_id", "mask_token_id", "unk_token_id")),
    ),
    # takes the first and last place for the special ones; in a padded row [SEP] and [PAD] are chosen
    "first and last place": ("special-token-chosen", w_ends_only),
    # random words are drawn from the batch's own tokens, not from the vocabulary
    "random ids from the text": (
        "uneven-random-ids",
        _variant(words=lambda i, t, g: i.flatten()[torch.randint(i.numel(), i.shape, generator=g)]),
    ),
    # random ids come from 0..999 only, which are unused pieces
    "random ids below 1000": (
        "one-tokenizer-only",
        _variant(words=lambda i, t, g: torch.randint(1000, i.shape, generator=g)),
    ),
    # the random ones are a tenth of a tenth; too many stay
    "80 / 1 / 19": ("not-80-10-10", _variant(keep_from=0.81)),
    # random ids fall on half of all chosen tokens, the masked ones included: 40 % [MASK], 50 % random
    "half overwrites": ("not-80-10-10", w_half_overwrites),
    # without a generator np.random is used, so torch.manual_seed does not repeat it
    "numpy where None": ("generator-ignored", w_numpy_global),
    # without a generator a fixed seed is used, so every call chooses the same places
    "fixed seed where None": ("same-masks-again", w_fixed_seed),
    # without a generator a new one is seeded by the clock, so torch.manual_seed does not repeat it
    "fresh entropy where None": ("generator-ignored", w_fresh_entropy),
    # seeds torch's global generator from the generator's first seed: repeats itself in each call and disturbs the
    # global state
    "manual_seed": ("same-masks-again", w_manual_seed),
    # the second draw ignores the generator; the same generator gives other inputs
    "fate without generator": ("generator-ignored", _variant(fate=lambda i, g, u: torch.rand(i.shape))),
    # randint ignores the generator; shows only at the 10 % random tokens
    "words without generator": ("generator-ignored", _variant(words=lambda i, t, g: torch.randint(len(t), i.shape))),
    # random ids come from the random module; no torch seed repeats them
    "random ids by Python's random": ("generator-ignored", w_python_random),
    # exactly 15 % (at least one) are chosen, not each by its own throw; a short text always has one, probability 0
    # too
    "exact share": ("wrong-probability", w_exact_share),
    # a batch of one text comes back as (length,)
    "squeezes": ("masks-shape", w_squeezes),
    # calls encode_plus, gone in transformers 5; always raises
    "encode_plus": ("gone-in-transformers-5", w_old_api),
    # labels the wrong way round, fate without the generator, no random tokens, 103 hard-coded
    "three at once": ("changed-without-label", w_two_mistakes),
    # labels[special] = -100 alone
    "labels at all but special tokens": ("no-ignore-index", w_labels_but_special),
    # labels[labels == pad] = -100 alone
    "labels at all but padding": ("no-ignore-index", w_labels_but_pad),
    # the masked ids are computed and thrown away
    "inputs never masked": ("not-80-10-10", lambda i, *a, **k: (i.clone(), r_hints(i, *a, **k)[1])),
    # exactly round(p * n) words of the call are chosen
    "exact number": ("fixed-number", w_exact_number),
    # the comparison is the wrong way round for an empty draw: no label at all
    "nothing chosen": ("all-or-none", lambda i, *a, **k: (i.clone(), torch.full_like(i, -100))),
    # other masks in each call, but torch.manual_seed does not repeat them
    "a counter as seed where None": ("generator-ignored", w_counter),
    # the texts' largest id stands for the vocabulary's size
    "random ids up to the texts' largest": (
        "uneven-random-ids",
        _variant(words=lambda i, t, g: torch.randint(int(i.max()) + 1, i.shape, generator=g)),
    ),
}
