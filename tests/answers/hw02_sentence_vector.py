"""Answers to homework 02: right ones in different styles, wrong ones with one mistake each and its slug."""

import contextlib
import copy
import functools

import torch
from transformers import AutoTokenizer, BertConfig, BertModel

from transfer_learning import check, checkpoint

TOKENIZER = AutoTokenizer.from_pretrained(checkpoint("bert-base-uncased"))
# a small model, for the time limit of the tests is short; solutions/ has the real one checked
SIZES = {"hidden_size": 96, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 128}
with torch.random.fork_rng():
    torch.manual_seed(0)
    MODEL = BertModel(BertConfig(vocab_size=len(TOKENIZER), initializer_range=0.2, **SIZES)).eval()


def state():
    """What an answer must not change in the learner's own model."""
    modes = [module.training for module in MODEL.modules()]
    return modes, [(p.data_ptr(), p.dtype, p.requires_grad, p._version) for p in MODEL.parameters()]


def judge(sentence_vector):
    before = state()
    try:
        return check.sentence_vector(sentence_vector, TOKENIZER, MODEL)
    finally:
        assert state() == before


@contextlib.contextmanager
def evaluating(model):
    was = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was)


def plain(text, tokenizer, model):
    was = model.training
    model.eval()
    with torch.no_grad():
        vector = model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0, 0]
    model.train(was)
    return vector


@torch.inference_mode()
def inference(text, tokenizer, model):
    with evaluating(model):
        return model(**tokenizer([text], return_tensors="pt")).last_hidden_state[:, 0].squeeze(0)


def detached(text, tokenizer, model):
    with evaluating(model):
        return model(**tokenizer(text, return_tensors="pt"))[0][0][0].detach()


def hidden_states(text, tokenizer, model):
    with evaluating(model), torch.no_grad():
        output = model(**tokenizer(text, return_tensors="pt"), output_hidden_states=True)
    return output.hidden_states[-1].select(1, 0).flatten().clone()


def tuple_output(text, tokenizer, model):
    """Ids by encode; the old tuple; where [CLS] stands is looked up."""
    ids = torch.tensor([tokenizer.encode(text)])
    at = (ids[0] == tokenizer.cls_token_id).nonzero()[0, 0]
    with evaluating(model), torch.no_grad():
        last, _pooled = model(ids, return_dict=False)
    return last[0, at]


def padded(text, tokenizer, model):
    with evaluating(model), torch.no_grad():
        encoded = tokenizer(text, padding=True, pad_to_multiple_of=64, return_tensors="pt")
        return model(encoded["input_ids"], attention_mask=encoded["attention_mask"]).last_hidden_state[0, 0]


def in_a_batch(text, tokenizer, model):
    """The text beside a longer one; the batch is padded."""
    with evaluating(model), torch.no_grad():
        batch = tokenizer(["rain " * 60, text], padding=True, truncation=True, max_length=512, return_tensors="pt")
        return model(**batch).last_hidden_state[1, 0]


def a_copy(text, tokenizer, model):
    model = copy.deepcopy(model).eval().requires_grad_(False)
    return model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0, 0]


def by_hand(text, tokenizer, model):
    """Embeddings and encoder called one after the other; double precision at the end."""
    with evaluating(model), torch.no_grad():
        encoded = tokenizer(text, return_tensors="pt")
        hidden = model.embeddings(encoded["input_ids"], token_type_ids=encoded["token_type_ids"])
        return model.encoder(hidden).last_hidden_state.unbind(1)[0][0].double()


def with_a_hook(text, tokenizer, model):
    seen = []
    handle = model.encoder.layer[-1].register_forward_hook(
        lambda module, given, output: seen.append(output[0] if isinstance(output, tuple) else output)
    )
    with evaluating(model), torch.no_grad():
        model(**tokenizer(text, return_tensors="pt"))
    handle.remove()
    return seen[0][0, 0]


def module_by_module(text, tokenizer, model):
    """Every module's own mode is noted and put back."""
    modes = {module: module.training for module in model.modules()}
    for module in modes:
        module.training = False
    with torch.no_grad():
        vector = model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0, 0]
    for module, was in modes.items():
        module.training = was
    return vector


def dropout_alone(text, tokenizer, model):
    """Dropout modules switched off by their p."""
    found = [module for module in model.modules() if isinstance(module, torch.nn.Dropout)]
    was, trained = [module.p for module in found], model.training
    model.eval()
    for module in found:
        module.p = 0.0
    with torch.no_grad():
        vector = model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0, 0]
    for module, p in zip(found, was):
        module.p = p
    model.train(trained)
    return vector


def grad_mode_by_hand(text, tokenizer, model):
    was = torch.is_grad_enabled()
    torch.set_grad_enabled(False)
    vector = plain(text, tokenizer, model)
    torch.set_grad_enabled(was)
    return vector


class Encoder:
    def __call__(self, text, tokenizer, model):
        return plain(text, tokenizer, model).half()


RIGHT = {
    "plain": plain,
    "inference mode": inference,
    "detached": detached,
    "hidden_states": hidden_states,
    "tuple": tuple_output,
    "padded": padded,
    "in a batch": in_a_batch,
    "a copy": a_copy,
    "by hand": by_hand,
    "a hook": with_a_hook,
    "module by module": module_by_module,
    "dropout's p": dropout_alone,
    "set_grad_enabled": grad_mode_by_hand,
    "an object, half precision": Encoder(),
    "partial": functools.partial(lambda k, text, tokenizer, model: plain(text, tokenizer, model)[k:], 0),
}


def take(pick, **options):
    """A right frame round a wrong choice; `options` go to the tokenizer."""

    def sentence_vector(text, tokenizer, model):
        with evaluating(model), torch.no_grad():
            return pick(model(**tokenizer(text, return_tensors="pt", **options), output_hidden_states=True))

    return sentence_vector


def after(change):
    return lambda text, tokenizer, model: change(plain(text, tokenizer, model))


def no_eval(text, tokenizer, model):
    with torch.no_grad():
        return model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0, 0]


def no_eval_but_a_seed(text, tokenizer, model):
    torch.manual_seed(0)
    return no_eval(text, tokenizer, model)


def trains_first(text, tokenizer, model):
    with torch.no_grad():
        vector = model.train()(**tokenizer(text, return_tensors="pt")).last_hidden_state[0, 0]
    model.eval()
    return vector


def outer_flag_alone(text, tokenizer, model):
    was, model.training = model.training, False
    vector = no_eval(text, tokenizer, model)
    model.training = was
    return vector


def stays_in_eval(text, tokenizer, model):
    return no_eval(text, tokenizer, model.eval())


def always_back_to_train(text, tokenizer, model):
    vector = stays_in_eval(text, tokenizer, model)
    model.train()
    return vector


def a_part_stays_in_eval(text, tokenizer, model):
    vector = plain(text, tokenizer, model)
    model.embeddings.eval()
    return vector


def keeps_the_gradient(text, tokenizer, model):
    with evaluating(model):
        return model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0, 0]


def gradients_stay_off(text, tokenizer, model):
    torch.set_grad_enabled(False)
    return plain(text, tokenizer, model)


def freezes(text, tokenizer, model):
    model.requires_grad_(False)
    return keeps_the_gradient(text, tokenizer, model)


def doubles(text, tokenizer, model):
    return plain(text, tokenizer, model.double())


def dropout_thrown_away(text, tokenizer, model):
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return plain(text, tokenizer, model)


def touches_the_weights(text, tokenizer, model):
    vector = plain(text, tokenizer, model)
    with torch.no_grad():
        model.embeddings.word_embeddings.weight[5] += 1
    return vector


def no_mask(text, tokenizer, model):
    with evaluating(model), torch.no_grad():
        encoded = tokenizer(text, padding="max_length", max_length=512, return_tensors="pt")
        return model(encoded["input_ids"]).last_hidden_state[0, 0]


def old_unpacking(text, tokenizer, model):
    with evaluating(model), torch.no_grad():
        vectors, _pooled = model(**tokenizer(text, return_tensors="pt"))
    return vectors[0][0]


def notebooks_model(text, tokenizer, model):
    return plain(text, tokenizer, MODEL_OF_THE_NOTEBOOK)


MODEL_OF_THE_NOTEBOOK = copy.deepcopy(MODEL)


def only_a_short_vector(text, tokenizer, model):
    return plain(text, tokenizer, model).reshape(96)


def constant_ids(text, tokenizer, model):
    """[CLS] and [SEP] written down."""
    ids = torch.tensor([[101, *tokenizer(text, add_special_tokens=False)["input_ids"], 102]])
    with evaluating(model), torch.no_grad():
        return model(ids).last_hidden_state[0, 0]


def for_each_word(text, tokenizer, model):
    """Right on easy input only: there is a text without words."""
    words = len(tokenizer.tokenize(text))
    return plain(text, tokenizer, model) * (words / words)


WRONG = {
    "nothing written": ("nothing-yet", ...),
    "the body is empty": ("returns-nothing", lambda text, tokenizer, model: None),
    "numpy": ("wrong-type", after(lambda vector: vector.numpy())),
    "a list": ("wrong-type", after(lambda vector: vector.tolist())),
    "the whole output": ("wrong-type", take(lambda output: output)),
    "whole numbers": ("wrong-type", after(lambda vector: vector.long())),
    "with a batch dimension": ("vector-shape", take(lambda output: output.last_hidden_state[:, 0])),
    "every token": ("vector-shape", take(lambda output: output.last_hidden_state[0])),
    "all there is": ("vector-shape", take(lambda output: output.last_hidden_state)),
    "one number": ("vector-shape", take(lambda output: output.last_hidden_state[0, 0, 0])),
    "the wrong axis": ("vector-shape", take(lambda output: output.last_hidden_state[0, :, 0])),
    "the pooler's output": ("pooler-output", take(lambda output: output.pooler_output[0])),
    "mean of all tokens": ("all-tokens", take(lambda output: output.last_hidden_state[0].mean(0))),
    "mean without the special tokens": ("all-tokens", take(lambda output: output.last_hidden_state[0, 1:-1].mean(0))),
    "maximum over the tokens": ("all-tokens", take(lambda output: output.last_hidden_state[0].amax(0))),
    "the layer before the last": ("another-layer", take(lambda output: output.hidden_states[-2][0, 0])),
    "the embeddings": ("another-layer", take(lambda output: output.hidden_states[0][0, 0])),
    "the last token": ("another-token", take(lambda output: output.last_hidden_state[0, -1])),
    "the first word": ("another-token", take(lambda output: output.last_hidden_state[0, 1])),
    "no special tokens": (
        "cls-left-out",
        take(lambda output: output.last_hidden_state[0, 0], add_special_tokens=False),
    ),
    "cut at 8": ("cut-text", take(lambda output: output.last_hidden_state[0, 0], truncation=True, max_length=8)),
    "cut at 64": ("cut-text", take(lambda output: output.last_hidden_state[0, 0], truncation=True, max_length=64)),
    "cut at 256": ("cut-text", take(lambda output: output.last_hidden_state[0, 0], truncation=True, max_length=256)),
    "length one": ("another-length", after(lambda vector: torch.nn.functional.normalize(vector, dim=0))),
    "rounded": ("another-vector", after(lambda vector: vector.round(decimals=1))),
    "rounded to cents": ("another-vector", after(lambda vector: vector.round(decimals=2))),
    "a sum of two layers": ("another-vector", take(lambda output: sum(output.hidden_states[-2:])[0, 0])),
    "padded without a mask": ("another-vector", no_mask),
    "the text upside down": (
        "another-vector",
        lambda text, tokenizer, model: plain(" ".join(reversed(text.split())), tokenizer, model),
    ),
    "no eval": ("dropout-on", no_eval),
    "no eval, but a seed": ("dropout-on", no_eval_but_a_seed),
    "train in place of eval": ("dropout-on", trains_first),
    "only the outer flag": ("dropout-on", outer_flag_alone),
    "stays in eval": ("left-in-eval", stays_in_eval),
    "a part stays in eval": ("left-in-eval", a_part_stays_in_eval),
    "always back to train": ("left-in-train", always_back_to_train),
    "the gradient is kept": ("gradient-kept", keeps_the_gradient),
    "gradients stay off": ("gradients-left-off", gradients_stay_off),
    "frozen for good": ("model-changed", freezes),
    "double for good": ("model-changed", doubles),
    "no dropout for good": ("model-changed", dropout_thrown_away),
    "other weights": ("model-changed", touches_the_weights),
    "the old unpacking": ("wrong-type", old_unpacking),
    "the notebook's model": ("one-model-only", notebooks_model),
    "the notebook's tokenizer": (
        "one-model-only",
        lambda text, tokenizer, model: plain(text, TOKENIZER, model),
    ),
    "96 written down": ("one-model-only", only_a_short_vector),
    "101 and 102 written down": ("one-model-only", constant_ids),
    "an empty text": ("raises", for_each_word),
    "an empty text, without a word": (
        "another-vector",
        lambda text, tokenizer, model: plain(text, tokenizer, model) if text else torch.full((96,), float("nan")),
    ),
    "arguments in another order": ("raises", lambda text, model, tokenizer: plain(text, tokenizer, model)),
}
