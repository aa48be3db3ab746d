"""What is special about homework 02: a model on a GPU, a large model, texts up to the model's limit."""

import copy

import pytest
import torch
from answers.hw02_sentence_vector import MODEL, TOKENIZER, evaluating, plain
from torch.overrides import TorchFunctionMode, resolve_name
from torch.utils._pytree import tree_leaves, tree_map

from transfer_learning import check
from transfer_learning.check._engine import preserve_rng_state


class PretendGpu(TorchFunctionMode):
    """Tensors that were moved to "cuda" say that they are there; one on the CPU beside them is an error, as on a GPU.

    Everything is computed on the CPU. What counts as moved is the memory, so views and copies are where their tensor is.
    """

    def __init__(self):
        super().__init__()
        self.there = {}  # address -> a tensor, kept so that the address is not used again

    def on_gpu(self, tensor):
        return tensor.untyped_storage().data_ptr() in self.there

    def put(self, result):
        for tensor in tree_leaves(result):
            if isinstance(tensor, torch.Tensor) and tensor.untyped_storage().data_ptr():
                self.there[tensor.untyped_storage().data_ptr()] = tensor.detach()
        return result

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        with torch._C.DisableTorchFunction():
            tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
            there = [self.on_gpu(tensor) for tensor in tensors]
            name = resolve_name(function) or getattr(function, "__name__", "")
            if name.startswith("_") or name == "torch.Tensor.data.__set__":  # torch's own housekeeping
                return function(*args, **kwargs)
            if name == "torch.Tensor.device.__get__":
                return torch.device("cuda:0") if there[0] else function(*args)
            if name == "torch.Tensor.is_cuda.__get__":
                return there[0]
            devices = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, (str, torch.device))]
            device = next((str(d).split(":")[0] for d in devices if str(d).startswith(("cuda", "cpu"))), None)
            to_cpu = lambda leaf: torch.device("cpu") if str(leaf).startswith("cuda") else leaf  # noqa: E731
            args, kwargs = tree_map(
                lambda leaf: to_cpu(leaf) if isinstance(leaf, (str, torch.device)) else leaf, (args, kwargs)
            )
            if name in ("torch.Tensor.cuda", "torch.Tensor.cpu") or (device and name == "torch.Tensor.to"):
                cuda = name.endswith("cuda") or (device == "cuda")
                moved = args[0] if cuda == there[0] else args[0].clone()
                return self.put(moved) if cuda else moved
            large = {on for tensor, on in zip(tensors, there) if tensor.dim()}
            if len(large) > 1 and name != "torch.Tensor.copy_":
                raise RuntimeError(f"Expected all tensors to be on the same device ({name})")
            if name == "torch.Tensor.numpy" and there[0]:
                raise TypeError("can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() first.")
            result = function(*args, **kwargs)
            return self.put(result) if True in there or device == "cuda" else result


def follows_the_model(text, tokenizer, model):
    with evaluating(model), torch.no_grad():
        return model(**tokenizer(text, return_tensors="pt").to(model.device)).last_hidden_state[0, 0]


def moves_the_model(text, tokenizer, model):
    return plain(text, tokenizer, model.to("cpu"))


def back_on_the_cpu(text, tokenizer, model):
    return follows_the_model(text, tokenizer, model).cpu()


def cpu_alone(text, tokenizer, model):
    return plain(text, tokenizer, model)


def judged_on_gpu(answer):
    # the mode holds in this thread alone: the judge is called without the thread that the check gives it
    with PretendGpu(), preserve_rng_state():
        model = copy.deepcopy(MODEL).to("cuda")
        assert model.device.type == "cuda"
        return check.sentence_vector.__wrapped__(answer, TOKENIZER, model)


@pytest.mark.parametrize("answer", [follows_the_model, back_on_the_cpu])
def test_a_model_on_a_gpu_gets_its_inputs_there(answer):
    assert "the final hidden vector" in judged_on_gpu(answer)


@pytest.mark.parametrize(("answer", "slug"), [(cpu_alone, "raises"), (moves_the_model, "model-changed")])
def test_inputs_or_a_model_on_the_wrong_device_are_seen(answer, slug):
    with pytest.raises(check.NotYet) as caught:
        judged_on_gpu(answer)
    assert caught.value.misconception == slug


@pytest.mark.parametrize("cut", [37, 160, 384, 511])
def test_any_cut_is_named_with_its_number(cut):
    def sentence_vector(text, tokenizer, model):
        with evaluating(model), torch.no_grad():
            encoded = tokenizer(text, truncation=True, max_length=cut, return_tensors="pt")
            return model(**encoded).last_hidden_state[0, 0]

    with pytest.raises(check.NotYet, match=rf"\({cut} of \d+ tokens\)") as caught:
        check.sentence_vector(sentence_vector, TOKENIZER, MODEL)
    assert caught.value.misconception == "cut-text"


def test_any_number_of_characters_too():
    def sentence_vector(text, tokenizer, model):
        return plain(text[:700].rstrip(), tokenizer, model)

    with pytest.raises(check.NotYet, match=r"the first (700|699) of \d+ characters"):
        check.sentence_vector(sentence_vector, TOKENIZER, MODEL)
