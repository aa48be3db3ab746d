"""Homework 02: one vector for one text."""

import copy
import random

from ._engine import NotYet, call, describe, homework, require_callable, require_type
from .hw01_mask_tokens import WORDS, small_tokenizer

CLOSE = 4e-3  # of the largest number: padding and 16 bits stay below, another vector does not
CUTS = (8, 10, 16, 20, 32, 50, 64, 100, 128, 200, 256)
TEXTS = (
    "I think it is going to rain tonight",
    "RT @GreenPost: Sea levels aren't rising?! &amp; pigs can fly… 🌊 https://t.co/Ab3xY #climate",
    "",
)


@homework("02_loading_bert_and_t5")
def sentence_vector(sentence_vector, tokenizer, model):
    """Check homework 02: the final hidden vector at [CLS], with this model and with a small one, in either mode.

    The vector may be of any floating type; `no_grad`, `inference_mode` and `detach` are all right, and so is a batch
    of one that is padded, with its attention mask.

    Parameters
    ----------
    sentence_vector : callable
        The learner's ``sentence_vector(text, tokenizer, model)``, a tensor of shape (hidden_size,).
    tokenizer : transformers.PreTrainedTokenizerBase
    model : transformers.PreTrainedModel
        The encoder that belongs to it; the learner's function gets a copy.

    Raises
    ------
    NotYet
        With `misconception` set to the name of the mistake.
    """
    require_callable(sentence_vector, "sentence_vector")
    chance = random.SystemRandom()
    short, long = (" ".join(chance.choices(WORDS, k=k)) for k in (5, 500))
    _right_vectors(sentence_vector, TEXTS, tokenizer, model)
    other, small = _small_pair(tokenizer, chance.getrandbits(60))
    try:
        _right_vectors(sentence_vector, (short, long), other, small)
    except NotYet as not_yet:
        if not_yet.misconception not in ("raises", "vector-shape", "another-vector"):
            raise
        size = small.config.hidden_size
        raise NotYet("one-model-only", f"with another model, of hidden size {size}: {not_yet.saw}") from None
    return (
        "the final hidden vector at [CLS], of short texts and long ones, with dropout off and without a gradient; "
        "the model comes back in the mode it had; another model works too."
    )


def _small_pair(tokenizer, seed):
    """A tokenizer and a model of random weights; the model also has room for the ids of `tokenizer`."""
    import torch
    from transformers import BertConfig, BertModel

    torch.manual_seed(seed)  # the core puts the state back
    sizes = {"hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    config = BertConfig(vocab_size=len(tokenizer), **sizes, initializer_range=0.3, hidden_dropout_prob=0.3)
    return small_tokenizer(seed), BertModel(config)


def _right_vectors(answer, texts, tokenizer, original):
    """First in evaluation mode, as `from_pretrained` gives a model, then in training mode."""
    model = copy.deepcopy(original)
    for text, training in [*((text, False) for text in texts), (texts[0], True)]:
        right = _hidden(tokenizer, model.eval(), text)[0][-1][0]
        _right_vector(answer, text, tokenizer, model.train(training), right)
        _same_mode(model, training)
    _same_model(model, original)


def _hidden(tokenizer, model, text, **options):
    """All hidden states of a text, each of shape (tokens, hidden_size), and what the pooler makes of the last, or None."""
    import torch

    with torch.no_grad():
        output = model(**tokenizer(text, return_tensors="pt", **options), output_hidden_states=True)
    pooled = getattr(output, "pooler_output", None)
    return [layer[0] for layer in output.hidden_states], None if pooled is None else pooled[0]


def _right_vector(answer, text, tokenizer, model, right):
    import torch

    asked, training = f"sentence_vector({describe(text)}, tokenizer, model)", model.training
    with torch.enable_grad():
        vector = call(answer, text, tokenizer, model)
        grad_left_off = not torch.is_grad_enabled()
    require_type(vector, torch.Tensor, asked, "a tensor")
    if not vector.is_floating_point():
        raise NotYet("wrong-type", f"{asked} returned a tensor of {vector.dtype}, expected floating-point numbers.")
    if vector.shape != right.shape:
        raise NotYet(
            "vector-shape",
            f"{asked} returned a tensor of shape {tuple(vector.shape)}; the model's hidden size is {len(right)}.",
        )
    if vector.requires_grad:
        raise NotYet("gradient-kept", f"what {asked} returned has requires_grad=True.")
    if grad_left_off:
        raise NotYet("gradients-left-off", f"after {asked}, torch.is_grad_enabled() was False; before, it was True.")
    if vector.isnan().any():
        raise NotYet("another-vector", f"what {asked} returned holds {int(vector.isnan().sum())} times nan.")
    if not _close(vector, right):
        again = vector if training else call(answer, text, tokenizer, model)
        if training or vector.shape != again.shape or not _close(vector, again):
            mode = "training" if training else "evaluation"
            raise NotYet(
                "dropout-on",
                f"with a model in {mode} mode, {asked} gave {_numbers(vector)}, …; "
                "with dropout off it begins otherwise, and the same way each time.",
            )
        _name_the_vector(vector, right, asked, text, tokenizer, model.eval())


def _name_the_vector(vector, right, asked, text, tokenizer, model):
    """Raise the `NotYet` that says which vector this is."""
    import torch

    layers, pooled = _hidden(tokenizer, model, text)
    last, tokens = layers[-1], tokenizer.convert_ids_to_tokens(tokenizer(text)["input_ids"])
    if pooled is not None and _close(vector, pooled):
        raise NotYet("pooler-output", f"{asked} returned the model's pooler_output.")
    for k, layer in enumerate(layers[:-1]):
        if _close(vector, layer[0]):
            raise NotYet("another-layer", f"{asked} is what stands at [CLS] after layer {k} of {len(layers) - 1}.")
    if any(_close(vector, mixed) for mixed in (last.mean(0), last[1:-1].mean(0), last[1:].mean(0), last.amax(0))):
        raise NotYet("all-tokens", f"{asked} is made of the vectors of all {len(tokens)} tokens.")
    for k, token in enumerate(tokens):
        if _close(vector, last[k]):
            raise NotYet("another-token", f"{asked} is the vector at token {k}, {token}.")
    if len(tokens) > 2 and _close(vector, _hidden(tokenizer, model, text, add_special_tokens=False)[0][-1][0]):
        raise NotYet("cls-left-out", f"{asked} is the vector at {tokens[1]}, of a text without special tokens.")
    for cut in CUTS:
        if cut < len(tokens) and _close(
            vector, _hidden(tokenizer, model, text, truncation=True, max_length=cut)[0][-1][0]
        ):
            raise NotYet("cut-text", f"{asked} is a vector of the first {cut} tokens; there are {len(tokens)}.")
    if _close(torch.nn.functional.normalize(vector.float(), dim=0), torch.nn.functional.normalize(right, dim=0)):
        raise NotYet("another-length", f"{asked} points the right way; its length is {vector.norm():.4g}.")
    raise NotYet("another-vector", f"{asked} begins with {_numbers(vector)}; no token's final vector does.")


def _same_mode(model, training):
    """Every part of the model is in the mode that it came in."""
    other = [name or "the model" for name, module in model.named_modules() if module.training != training]
    if other:
        slug, before, after = "left-in-eval", "training", "evaluation"
        if not training:
            slug, before, after = "left-in-train", after, before
        raise NotYet(slug, f"the model came in {before} mode; afterwards {other[0]} was in {after} mode.")


def _same_model(model, original):
    """The layers and the weights are what they were before the calls."""
    import torch

    if str(model) != str(original):
        raise NotYet("model-changed", "afterwards the model was made of other layers than before.")
    for (name, now), before in zip(model.named_parameters(), original.parameters()):
        for what in ("dtype", "device", "requires_grad"):
            if getattr(now, what) != getattr(before, what):
                raise NotYet("model-changed", f"{what} of {name} was {getattr(before, what)}, is {getattr(now, what)}.")
        if not torch.equal(now, before):
            raise NotYet("model-changed", f"afterwards the weights {name} were others.")


def _numbers(vector):
    return ", ".join(f"{number:.4f}" for number in vector[:3].tolist())


def _close(vector, other):
    return bool((vector.double() - other.double()).abs().max() < CLOSE * other.abs().max())
