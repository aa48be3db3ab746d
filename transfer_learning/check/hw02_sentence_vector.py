"""Homework 02: one vector for one text."""

import copy
import random
import string

from ._engine import NotYet, call, describe, homework, require_callable, require_type, untimed
from .hw01_mask_tokens import WORDS, small_tokenizer

CLOSE = 0.05  # of a vector's length: 16-bit numbers are off by less, every mistake by more, in the small model
SAME = 3e-5  # of a vector's length: one word in 512 makes a larger difference; a mistake that is named is as close
LIMIT = 512  # tokens: no text is longer
TEXTS = (
    "I think it is going to rain tonight",
    "RT @GreenPost: Sea levels aren't rising?! &amp; pigs can fly… 🌊 https://t.co/Ab3xY #climate\nReally. I saw one.",
    "",
)


@homework("02_loading_bert_and_t5")
def sentence_vector(sentence_vector, tokenizer, model):
    """Check homework 02: the final hidden vector at [CLS], with this model and with a small one, in either mode.

    Any floating type, any device and 16-bit arithmetic are right, and so is a batch of one that is padded, with its
    attention mask. No text has more than 512 tokens.

    Parameters
    ----------
    sentence_vector : callable
        The learner's ``sentence_vector(text, tokenizer, model)``, a tensor of shape (hidden_size,).
    tokenizer : transformers.PreTrainedTokenizerBase
    model : transformers.PreTrainedModel
        The encoder that belongs to it, on any device; the learner's function gets copies of both.

    Raises
    ------
    NotYet
        With `misconception` set to the name of the mistake.
    """
    import torch

    require_callable(sentence_vector, "sentence_vector")
    chance = random.SystemRandom()
    with untimed():
        given = _Trial(sentence_vector, copy.deepcopy(tokenizer), model)
        size = model.config.hidden_size
        # one narrower than most, and one wider than the learner's: a width that was typed in shows
        small, wide = (
            _Trial(sentence_vector, *_small_pair(tokenizer, model, chance.getrandbits(60), width), learners=tokenizer)
            for width in (64 if size == 48 else 48, 4 * (size // 4 + 4))
        )
    for text in TEXTS:
        given.vector(text)
    given.vector(TEXTS[0], training=True)
    short = " ".join(chance.sample(WORDS, 3)).title() + " rain"
    try:
        wide.ask(f"{short} snow")  # a text of its own, so that a stored vector is told as one
        vector = small.vector(short)
    except NotYet as not_yet:
        slug = not_yet.misconception
        raise NotYet("one-model-only" if slug in ("raises", "vector-shape") else slug, not_yet.saw) from None
    small.vector(short, training=True)
    _reads_every_word(small, chance.choices(WORDS, k=LIMIT - 2))
    with torch.no_grad():
        for weight in (*small.model.parameters(), *small.original.parameters()):
            weight.copy_(weight.roll(1, 0))
    small.require_another(vector, short, short, "the model's weights")
    room = min(LIMIT, tokenizer.model_max_length, getattr(model.config, "max_position_embeddings", LIMIT) - 2)
    words = chance.choices(WORDS, k=room)
    while len(tokenizer(" ".join(words))["input_ids"]) > room:
        words.pop()
    given.vector(" ".join(words))
    return (
        "the final hidden vector at [CLS], for short texts and long ones, with dropout off and no gradient; "
        "the model keeps its mode; a different model works too."
    )


def _small_pair(tokenizer, model, seed, width):
    """A cased tokenizer and a model of random weights, which also has room for the learner's ids.

    Its vectors are short and not centred, so that rounded or rescaled ones are far away.
    """
    import torch
    from transformers import BertConfig, BertModel

    torch.manual_seed(seed)  # the engine puts the state back
    letters = [*string.ascii_letters, *(f"##{letter}" for letter in string.ascii_letters)]
    own = small_tokenizer(seed, list(dict.fromkeys([*WORDS, *(word.title() for word in WORDS), *letters])))
    sizes = {"hidden_size": width, "intermediate_size": 64}
    sizes |= {"num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": max(len(tokenizer), len(own))}
    small = BertModel(BertConfig(**sizes, initializer_range=0.2, hidden_dropout_prob=0.3))
    last = small.encoder.layer[-1].output.LayerNorm
    with torch.no_grad():
        last.weight.uniform_(0.01, 0.03)
        last.bias.normal_(0, 0.01)
    return own, small.to(model.device)


def _reads_every_word(trial, words):
    vector = trial.vector(text := " ".join(words))
    for at in (len(words) - 1, 0, len(words) // 2):
        trial.require_another(vector, " ".join([*words[:at], "We", *words[at + 1 :]]), text, f"word {at + 1}")


def _other_vectors(trial, text):
    """Every vector of the model's output that is not the right one, and the right ones of other inputs."""
    own, learners = trial.tokenizer, trial.learners
    ids = own(text)["input_ids"]
    layers, pooled = trial.output({"input_ids": ids})
    last, top = layers[-1], len(layers) - 1
    for vector in pooled:
        yield "pooler-output", "the model's pooler_output", vector
    yield "all-tokens", "the mean over all tokens", last.mean(0)
    yield "all-tokens", "the mean over all tokens but [CLS]", last[1:].mean(0)
    yield "all-tokens", "the mean over all tokens but [CLS] and [SEP]", last[1:-1].mean(0)
    yield "all-tokens", "the maximum over all tokens", last.amax(0)
    yield "another-length", "the right vector, scaled to length 1", last[0] / last[0].norm()
    for k, layer in enumerate(layers[:-1]):
        yield "another-layer", f"the vector at [CLS] after layer {k} of {top}", layer[0]
    for k, token in enumerate(own.convert_ids_to_tokens(ids)[1:], 1):
        yield "another-token", f"the vector at token {k}, {token}", last[k]
    if inner := own(text, add_special_tokens=False)["input_ids"]:
        yield "cls-left-out", "the vector of the text without special tokens", trial.right({"input_ids": inner})
    if learners:
        named = "the vector of ids from your notebook's tokenizer, not from the one it was given"
        for other in (learners(text)["input_ids"], [learners.cls_token_id, *inner, learners.sep_token_id]):
            yield "one-model-only", named, trial.right({"input_ids": other})


class _Trial:
    """An answer, and the tokenizer and the model that it is called with: a copy, to be compared with the original."""

    def __init__(self, answer, tokenizer, original, learners=None):
        self.answer, self.tokenizer, self.original, self.learners = answer, tokenizer, original, learners
        self.model = copy.deepcopy(original)

    def asked(self, text):
        other = f" with a different model, of hidden size {self.model.config.hidden_size}," if self.learners else ""
        return f"sentence_vector({describe(text)}, tokenizer, model){other}"

    def vector(self, text, training=False):
        """Return the answer's vector if it is the right one, and the model is as it was."""
        right, vector = self.right(self.tokenizer(text)), self.ask(text, training)
        with untimed():
            self.require_same_weights()
        if not _close(vector, right):
            self.raise_named(text, vector, right, training)
        mode, other = ("training", "evaluation") if training else ("evaluation", "training")
        if parts := [name or "the model" for name, part in self.model.named_modules() if part.training != training]:
            saw = f"the model was in {mode} mode before the call; afterwards, {parts[0]} was in {other} mode."
            raise NotYet("left-in-eval" if training else "left-in-train", saw)
        return vector

    def require_same_weights(self):
        import torch

        if str(self.model) != str(self.original):
            raise NotYet("model-changed", "after the call, the model had different layers.")
        for (name, now), before in zip(self.model.named_parameters(), self.original.parameters()):
            for what in ("dtype", "device", "requires_grad"):
                if (is_now := getattr(now, what)) != (was := getattr(before, what)):
                    raise NotYet("model-changed", f"the {what} of {name} was {was}, and {is_now} afterwards.")
            if not torch.equal(now, before):
                raise NotYet("model-changed", f"the call changed the weights {name}.")

    def ask(self, text, training=False):
        """Return the answer's vector, in 32 bits on the CPU, once it has the right form."""
        import torch

        asked, size = self.asked(text), self.model.config.hidden_size
        self.model.train(training)
        with torch.enable_grad():
            vector = require_type(call(self.answer, text, self.tokenizer, self.model), torch.Tensor, asked, "a tensor")
            grad_left_off = not torch.is_grad_enabled()
        shape = f"{asked} has the shape {tuple(vector.shape)}; the model's hidden size is {size}."
        for wrong, slug, saw in (
            (not vector.is_floating_point(), "wrong-type", f"{asked} is a tensor of {vector.dtype}; expected floats."),
            (vector.shape != (size,), "vector-shape", shape),
            (vector.requires_grad, "gradient-kept", f"{asked} has requires_grad=True."),
            (grad_left_off, "gradients-left-off", f"torch.is_grad_enabled() was True before {asked}, False after."),
        ):
            if wrong:
                raise NotYet(slug, saw)
        return vector.detach().float().cpu()

    def output(self, inputs):
        """The hidden states of every layer, each (tokens, hidden_size), and what the pooler makes of them, if any."""
        import torch

        with untimed(), torch.no_grad():
            inputs = {name: torch.tensor([ids], device=self.model.device) for name, ids in inputs.items()}
            output = self.model.eval()(**inputs, output_hidden_states=True)
            layers = [layer[0].float().cpu() for layer in output.hidden_states]
            return layers, [row.float().cpu() for row in output.get("pooler_output", ())]

    def right(self, inputs):
        return self.output(inputs)[0][-1][0]

    def require_another(self, vector, changed, text, what):
        """Whatever was changed, the vector is another one, be it ever so little."""
        if _close(self.ask(changed), vector, SAME):
            self.raise_if_cut(text, vector)
            raise NotYet("same-vector-again", f"{self.asked(text)} did not change when I changed {what}.")
        self.vector(changed)

    def raise_named(self, text, vector, right, training):
        """Say which vector this is, or, where that cannot be proved, how it begins."""
        asked = f"with a model in training mode, {self.asked(text)}" if training else self.asked(text)
        for part in self.model.modules():
            if type(part).__name__ == "Dropout":
                part.p = 0.0
        try:
            dropout = _close(self.ask(text, training), right)
        except NotYet:
            dropout = False
        if dropout:
            raise NotYet("dropout-on", f"{asked} began with {_begin(vector)}; with dropout set to 0 it was right.")
        for slug, saw, other in _other_vectors(self, text):
            if _close(vector, other, SAME):
                raise NotYet(slug, f"{asked} is {saw}.")
        self.raise_if_cut(text, vector)
        saw = f"{asked} begins with {_begin(vector)}; the final hidden vector at [CLS] begins with {_begin(right)}."
        raise NotYet("another-vector", saw)

    def raise_if_cut(self, text, vector):
        """Find the shortest beginning of the text that gives this vector, and compare it with the model's."""
        low, high = 0, len(text)
        while high - low > 1:
            k = (low + high) // 2
            try:
                low, high = (low, k) if _close(self.ask(text[:k]), vector, SAME) else (k, high)
            except NotYet:
                low = k
        if text[high:].strip() and _close(vector, self.right(self.tokenizer(text[:high])), SAME):
            read, tokens = (len(self.tokenizer(part)["input_ids"]) for part in (text[:high], text))
            of = f"the first {high} of {len(text)} characters ({read} of {tokens} tokens)"
            raise NotYet("cut-text", f"{self.asked(text)} is the vector of {of}.")


def _begin(vector):
    return ", ".join(f"{number:.4f}" for number in vector[:3].tolist()) + ", …"


def _close(vector, other, by=CLOSE):
    return bool((vector - other).norm() <= by * other.norm())
