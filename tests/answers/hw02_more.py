"""Fresh learner answers to homework 02: RIGHT and WRONG `sentence_vector`."""

import contextlib
import copy
import functools

import torch
from transformers import pipeline

# ---------------------------------------------------------------- right


def r_hints(text, tokenizer, model):
    was_training = model.training
    model.eval()
    with torch.no_grad():
        encoded = tokenizer(text, return_tensors="pt", truncation=True).to(model.device)
        hidden = model(**encoded).last_hidden_state
    model.train(was_training)
    return hidden[0, 0]


@torch.no_grad()
def r_decorated(text, tokenizer, model):
    mode = model.training
    model.train(False)
    try:
        batch = tokenizer([text], truncation=True, return_tensors="pt").to(model.device)
        return model(**batch)[0][:, 0, :].squeeze(0)
    finally:
        model.train(mode)


@torch.inference_mode()
def r_inference(text, tokenizer, model):
    mode = model.training
    out = model.eval()(**tokenizer(text, truncation=True, return_tensors="pt").to(model.device))
    model.train(mode)
    return out["last_hidden_state"][0][0].clone()


@contextlib.contextmanager
def evaluating(model):
    """Each part gets its own mode back."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, mode in modes.items():
            module.training = mode


def r_context_manager(text, tokenizer, model):
    with evaluating(model):
        inputs = {k: v.to(model.device) for k, v in tokenizer(text, truncation=True, return_tensors="pt").items()}
        return model(**inputs).last_hidden_state[0, 0, :]


def r_hidden_states(text, tokenizer, model):
    training = model.training
    model.eval()
    device = next(model.parameters()).device
    tokens = tokenizer(text, return_tensors="pt", truncation=True, max_length=model.config.max_position_embeddings)
    with torch.no_grad():
        output = model(**tokens.to(device), output_hidden_states=True)
    if training:
        model.train()
    return output.hidden_states[-1][0, 0]


def r_by_hand(text, tokenizer, model):
    """Ids by hand: pieces, special tokens, tensor."""
    pieces = tokenizer.tokenize(text)[: tokenizer.model_max_length - 2]
    ids = tokenizer.convert_tokens_to_ids([tokenizer.cls_token, *pieces, tokenizer.sep_token])
    before = model.training
    model.eval()
    with torch.no_grad():
        hidden = model(input_ids=torch.tensor([ids], device=model.device)).last_hidden_state
    model.train(before)
    return hidden[0, 0].detach()


def r_encode(text, tokenizer, model):
    ids = tokenizer.encode(text, return_tensors="pt", truncation=True).to(model.device)
    mode, _ = model.training, model.eval()
    with torch.no_grad():
        first = model(ids).last_hidden_state.squeeze(0)[0]
    model.train(mode)
    return first


def r_inner_parts(text, tokenizer, model):
    """As the model's own forward: embeddings, then layer by layer."""
    mode = model.training
    model.eval()
    ids = tokenizer(text, truncation=True, return_tensors="pt")["input_ids"].to(model.device)
    with torch.no_grad():
        hidden = model.embeddings(input_ids=ids)
        for layer in model.encoder.layer:
            hidden = layer(hidden)
            hidden = hidden[0] if isinstance(hidden, tuple) else hidden
    model.train(mode)
    return hidden[0, 0]


def r_padded(text, tokenizer, model):
    """Filled up to the limit, with the attention mask that goes with it."""
    mode = model.training
    model.eval()
    batch = tokenizer(text, padding="max_length", truncation=True, return_tensors="pt").to(model.device)
    with torch.no_grad():
        out = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"])
    model.train(mode)
    return out.last_hidden_state[0, 0]


def r_deepcopy(text, tokenizer, model):
    """A copy in eval mode: the model itself is never touched."""
    twin = copy.deepcopy(model).eval().requires_grad_(False)
    return twin(**tokenizer(text, truncation=True, return_tensors="pt").to(model.device)).last_hidden_state[0, 0]


def r_autocast(text, tokenizer, model):
    """Half the bytes on the way; the result in the model's own type."""
    mode = model.training
    model.eval()
    encoded = tokenizer(text, truncation=True, return_tensors="pt").to(model.device)
    with torch.no_grad(), torch.autocast(model.device.type, dtype=torch.bfloat16):
        hidden = model(**encoded).last_hidden_state
    model.train(mode)
    return hidden[0, 0].to(model.dtype)


def r_functional(text, tokenizer, model):
    """gather at the place of [CLS], wherever the tokenizer puts it."""
    mode = model.training
    model.eval()
    encoded = tokenizer(text, truncation=True, return_tensors="pt").to(model.device)
    with torch.set_grad_enabled(False):
        hidden = model(**encoded).last_hidden_state
    model.train(mode)
    place = (encoded["input_ids"][0] == tokenizer.cls_token_id).nonzero()[0, 0]
    return hidden[0].index_select(0, place.view(1)).reshape(model.config.hidden_size)


class Embedder:
    def __init__(self, pooling=lambda hidden: hidden[0, 0]):
        self.pooling = pooling

    def encode(self, text, tokenizer, device):
        return tokenizer(text, truncation=True, return_tensors="pt").to(device)

    def __call__(self, text, tokenizer, model):
        mode = model.training
        model.eval()
        with torch.no_grad():
            vector = self.pooling(model(**self.encode(text, tokenizer, model.device)).last_hidden_state)
        model.train(mode)
        return vector


def _run(text, tokenizer, model, *, layer, place):
    mode = model.training
    try:
        with torch.no_grad():
            encoded = tokenizer(text, truncation=True, return_tensors="pt").to(model.device)
            return model.eval()(**encoded, output_hidden_states=True)["hidden_states"][layer][0, place]
    finally:
        model.train(mode)


r_partial = functools.partial(_run, layer=-1, place=0)


def r_hook(text, tokenizer, model):
    """A hook at the last layer catches what comes out."""
    caught = []
    handle = model.encoder.layer[-1].register_forward_hook(
        lambda module, args, output: caught.append(output[0] if isinstance(output, tuple) else output)
    )
    mode = model.training
    model.eval()
    with torch.no_grad():
        model(**tokenizer(text, truncation=True, return_tensors="pt").to(model.device))
    handle.remove()
    model.train(mode)
    return caught[0][0, 0]


def r_pipeline(text, tokenizer, model):
    mode = model.training
    model.eval()
    extract = pipeline("feature-extraction", model=model, tokenizer=tokenizer, device=model.device)
    vectors = extract(text, tokenize_kwargs={"truncation": True}, return_tensors=True)
    model.train(mode)
    return vectors[0, 0].detach().to(model.device)


def r_sixteen_bits(text, tokenizer, model, dtype=torch.bfloat16):
    """A copy of the model in 16 bits."""
    twin = copy.deepcopy(model).eval().to(dtype)
    with torch.no_grad():
        return twin(**tokenizer(text, truncation=True, return_tensors="pt").to(twin.device)).last_hidden_state[0, 0]


RIGHT = {
    "as the hints say": r_hints,
    "decorated, try and finally": r_decorated,
    "inference mode": r_inference,
    "context manager, every part's mode": r_context_manager,
    "last of the hidden states": r_hidden_states,
    "ids by hand": r_by_hand,
    "encode, ids only": r_encode,
    "embeddings and layers one by one": r_inner_parts,
    "padded to the limit, with mask": r_padded,
    "deep copy": r_deepcopy,
    "autocast": r_autocast,
    "index_select at [CLS]": r_functional,
    "class with __call__": Embedder(),
    "functools.partial": r_partial,
    "forward hook": r_hook,
    "pipeline": r_pipeline,
    "bfloat16 copy": r_sixteen_bits,
    "float16 copy": functools.partial(r_sixteen_bits, dtype=torch.float16),
    "vector in bfloat16": lambda *given: r_hints(*given).bfloat16(),
}

# ---------------------------------------------------------------- wrong


def _with(pick=lambda out, enc: out.last_hidden_state[0, 0], prepare=lambda t: t, encode=None, **options):
    """An answer by the hints with one part exchanged; for the mistakes of one line."""
    options = {"truncation": True, "return_tensors": "pt", **options}

    def answer(text, tokenizer, model):
        mode = model.training
        model.eval()
        text = prepare(text)
        enc = encode(text, tokenizer) if encode else tokenizer(text, **options)
        enc = {k: v.to(model.device) for k, v in enc.items()}
        with torch.no_grad():
            out = model(**enc, output_hidden_states=True)
        model.train(mode)
        return pick(out, enc)

    return answer


def _forward(text, tokenizer, model):
    return model(**tokenizer(text, truncation=True, return_tensors="pt").to(model.device)).last_hidden_state[0, 0]


@torch.no_grad()
def w_no_eval(text, tokenizer, model):
    return _forward(text, tokenizer, model)


@torch.no_grad()
def w_stays_eval(text, tokenizer, model):
    model.eval()
    return _forward(text, tokenizer, model)


@torch.no_grad()
def w_always_train(text, tokenizer, model):
    model.eval()
    vector = _forward(text, tokenizer, model)
    model.train()
    return vector


@torch.no_grad()
def w_return_first(text, tokenizer, model):
    mode = model.training
    model.eval()
    return _forward(text, tokenizer, model)
    model.train(mode)


@torch.no_grad()
def w_mode_flipped(text, tokenizer, model):
    mode = model.training
    model.eval()
    vector = _forward(text, tokenizer, model)
    model.train(not mode)
    return vector


@torch.no_grad()
def w_eval_after(text, tokenizer, model):
    mode = model.training
    hidden = _forward(text, tokenizer, model)
    model.eval()
    model.train(mode)
    return hidden


@torch.no_grad()
def w_only_outer_flag(text, tokenizer, model):
    mode, model.training = model.training, False
    vector = _forward(text, tokenizer, model)
    model.training = mode
    return vector


@torch.no_grad()
def w_only_dropout_modules(text, tokenizer, model):
    drops = [m for m in model.modules() if isinstance(m, torch.nn.Dropout)]
    modes = [m.training for m in drops]
    for m in drops:
        m.eval()
    vector = _forward(text, tokenizer, model)
    for m, mode in zip(drops, modes):
        m.train(mode)
    return vector


@torch.no_grad()
def w_seeded(text, tokenizer, model):
    torch.manual_seed(0)
    return _forward(text, tokenizer, model)


@torch.no_grad()
def w_mean_of_draws(text, tokenizer, model):
    return torch.stack([_forward(text, tokenizer, model) for _ in range(8)]).mean(0)


def w_with_gradient(text, tokenizer, model):
    mode = model.training
    model.eval()
    vector = _forward(text, tokenizer, model)
    model.train(mode)
    return vector


def w_freezes(text, tokenizer, model):
    mode = model.training
    model.eval()
    for p in model.parameters():
        p.requires_grad = False
    vector = _forward(text, tokenizer, model)
    model.train(mode)
    return vector


def w_encode_plus(text, tokenizer, model):
    encoded = tokenizer.encode_plus(text, add_special_tokens=True, truncation=True, return_tensors="pt")
    with torch.no_grad():
        return model.eval()(**encoded).last_hidden_state[0, 0]


def w_halves_model(text, tokenizer, model):
    return r_hints(text, tokenizer, model.to(torch.bfloat16))


def _keyed(key):
    """A cache around the right answer; the mistake is what it is keyed by."""
    store = {}

    def answer(text, tokenizer, model):
        k = key(text, tokenizer, model)
        if k not in store:
            store[k] = r_hints(text, tokenizer, model)
        return store[k]

    return answer


def _no_mask(text, tokenizer):
    return {"input_ids": tokenizer(text, padding="max_length", truncation=True, return_tensors="pt")["input_ids"]}


def _segment_one(text, tokenizer):
    enc = tokenizer(text, truncation=True, return_tensors="pt")
    return {**enc, "token_type_ids": torch.ones_like(enc["input_ids"])}


def _bert_ids(text, tokenizer):
    ids = tokenizer(text, add_special_tokens=False)["input_ids"][:510]
    return {"input_ids": torch.tensor([[101, *ids, 102]])}


def _no_sep(text, tokenizer):
    return {"input_ids": tokenizer(text, truncation=True, return_tensors="pt")["input_ids"][:, :-1]}


H = "last_hidden_state"
WRONG = {
    # dropout stays on if the model comes in training mode
    "no eval": ("dropout-on", w_no_eval),
    # a model in training mode comes back in eval mode
    "stays in eval": ("left-in-eval", w_stays_eval),
    # a model in eval mode comes back in training mode
    "always train": ("left-in-train", w_always_train),
    # the line that restores is never reached
    "returns before restoring": ("left-in-eval", w_return_first),
    # comes back in the other mode
    "mode flipped": ("left-in-train", w_mode_flipped),
    # eval() comes when the vector is already computed, with dropout on
    "eval after the run": ("dropout-on", w_eval_after),
    # sets model.training alone, so the parts inside keep dropout on in training mode
    "outer flag only": ("dropout-on", w_only_outer_flag),
    # attention's own dropout looks at its module's flag and stays on in training mode
    "dropout modules only": ("dropout-on", w_only_dropout_modules),
    # repeatable, but with dropout on in training mode, and the global seed is reset
    "seed in place of eval": ("dropout-on", w_seeded),
    # averages dropout away in place of switching it off
    "mean of eight draws": ("dropout-on", w_mean_of_draws),
    # no no_grad and no detach: the vector hangs on the graph
    "with gradient": ("gradient-kept", w_with_gradient),
    # switches requires_grad off for all weights and leaves it so; nothing can be trained after
    "freezes the model": ("model-changed", w_freezes),
    # pooler_output: [CLS] after one more layer and tanh
    "pooler": ("pooler-output", _with(lambda o, e: o.pooler_output[0])),
    # the mean over all tokens
    "mean of tokens": ("all-tokens", _with(lambda o, e: o[H][0].mean(0))),
    # place -1, [SEP]
    "last place": ("another-token", _with(lambda o, e: o[H][0, -1])),
    # the last layer but one
    "layer before": ("another-layer", _with(lambda o, e: o.hidden_states[-2][0, 0])),
    # what goes into the first layer: the same for every text
    "embeddings": ("another-layer", _with(lambda o, e: o.hidden_states[0][0, 0])),
    # the mean of [CLS] over the last four layers
    "four layers": ("another-vector", _with(lambda o, e: torch.stack(o.hidden_states[-4:])[:, 0, 0].mean(0))),
    # shape (1, hidden_size)
    "batch dimension kept": ("vector-shape", _with(lambda o, e: o[H][:, 0])),
    # shape (length, hidden_size)
    "all tokens": ("vector-shape", _with(lambda o, e: o[H][0])),
    # raises for a model of another size
    "view(384)": ("raises", _with(lambda o, e: o[H][0, 0].view(384))),
    # scaled to length 1
    "normalised": ("another-length", _with(lambda o, e: torch.nn.functional.normalize(o[H][0, 0], dim=-1))),
    # the mean taken off and divided by the spread
    "standardised": ("another-vector", _with(lambda o, e: (o[H][0, 0] - o[H][0, 0].mean()) / o[H][0, 0].std())),
    # add_special_tokens=False: place 0 is the first word
    "no special tokens": ("cls-left-out", _with(add_special_tokens=False)),
    # writes [CLS] and [SEP] into the text and lets the tokenizer add its own
    "special tokens twice": ("another-vector", _with(prepare=lambda t: f"[CLS] {t} [SEP]")),
    # the last token is cut off; clear on short texts
    "no [SEP]": ("another-vector", _with(encode=_no_sep)),
    # padded to the limit, and the padding is attended to
    "padding without mask": ("another-vector", _with(encode=_no_mask)),
    # token types are all 1, those of a second sentence
    "segment 1": ("another-vector", _with(encode=_segment_one)),
    # BERT's ids of [CLS] and [SEP]; wrong for a tokenizer with others, and 510 for another limit
    "101 and 102": ("one-model-only", _with(encode=_bert_ids)),
    # text cut at 16 tokens
    "cut at 16": ("cut-text", _with(max_length=16)),
    # text cut at 160 tokens
    "cut at 160": ("cut-text", _with(max_length=160)),
    # text cut at 384 tokens, mistaken from hidden_size
    "cut at 384": ("cut-text", _with(max_length=384)),
    # cut at 512 characters, not tokens
    "512 characters": ("cut-text", _with(prepare=lambda t: t[:512])),
    # only the first line; texts of several lines
    "first line": ("cut-text", _with(prepare=lambda t: t.split("\n")[0])),
    # only up to the first full stop
    "first sentence": ("another-vector", _with(prepare=lambda t: t.split(". ")[0])),
    # words that begin with http or @ are left out; only texts with such
    "links out": (
        "another-vector",
        _with(prepare=lambda t: " ".join(w for w in t.split() if not w.startswith(("http", "@")))),
    ),
    # only letters, digits and spaces are read
    "punctuation out": ("another-vector", _with(prepare=lambda t: "".join(c for c in t if c.isalnum() or c.isspace()))),
    # text lower-cased by hand; the same for an uncased tokenizer, wrong for a cased one
    "lower case": ("another-vector", _with(prepare=str.lower)),
    # the text's words as separate texts: only the first word is read
    "words as a batch": ("cut-text", _with(prepare=str.split, padding=True)),
    # another model gets the first one's vector
    "cache by text": ("same-vector-again", _keyed(lambda t, tok, m: t)),
    # models of equal size share their vectors
    "cache by text and size": ("same-vector-again", _keyed(lambda t, tok, m: (t, m.config.hidden_size))),
    # stale once the same model has been trained on
    "cache by model": ("same-vector-again", _keyed(lambda t, tok, m: (t, id(m)))),
    # keyed by the first 50 characters; texts that begin alike
    "cache by start": ("same-vector-again", _keyed(lambda t, tok, m: (t[:50], id(m)))),
    # gone in transformers 5; raises
    "encode_plus": ("gone-in-transformers-5", w_encode_plus),
    # turns the weights into bfloat16 and gives the model back so
    "turns the model into 16 bits": ("model-changed", w_halves_model),
    # nothing but the docstring; returns None
    "not written": ("returns-nothing", lambda text, tokenizer, model: None),
    # one token too few
    "cut at 511": ("cut-text", _with(max_length=511)),
    # the first words are dropped
    "cut on the left": ("another-vector", _with(prepare=lambda t: t[-1500:])),
    # the width of the learner's own model, typed in
    "as wide as the model shown": ("one-model-only", _with(lambda out, enc: out.last_hidden_state[0, 0, :96])),
    # long texts lose their middle
    "a hole in the middle": (
        "another-vector",
        _with(prepare=lambda t: t[:40] + " " + t[-40:] if len(t) > 1800 else t),
    ),
    # pooler_output, rounded
    "pooler in 16 bits": ("another-vector", _with(lambda o, e: o.pooler_output[0].bfloat16())),
}
