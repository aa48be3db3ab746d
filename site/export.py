"""Export what the pages run: BERT and a classifier as quantized ONNX, vectors of tweets, and the files around them.

    python site/export.py FOLDER    write FOLDER/live; what has not changed comes from site/_cache

A network takes one text at a time, so it needs neither padding nor a mask. `export_classifier` exports any classifier of
transformers in this way.
"""

import ast
import contextlib
import hashlib
import html
import importlib.metadata
import inspect
import io
import json
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

SITE = Path(__file__).resolve().parent
ROOT = SITE.parent
sys.path.append(str(ROOT))
LIVE = SITE / "live"
CACHE = SITE / "_cache"
MODULES = SITE / "node_modules"
RUNTIME = "ort-wasm-simd-threaded.wasm"
#: What the pages run, and the folder that npm puts it into
VENDOR = {
    "ort.wasm.min.mjs": "onnxruntime-web/dist",
    "ort-wasm-simd-threaded.mjs": "onnxruntime-web/dist",
    RUNTIME: "onnxruntime-web/dist",
    "tokenizers.min.mjs": "@huggingface/tokenizers/dist",
}
BERT = "bert-base-uncased"
OPSET = 21  # the first with blocks of scales
BLOCK = 64
SMALLEST = 10_000  # numbers in a matrix worth quantizing


class ExportError(Exception):
    """What cannot be exported; the message says why, and what to do."""


# Networks


def export_classifier(folder, destination, max_length=None):
    """Export a text classifier for the page: `live/model.js` loads what is written.

    Parameters
    ----------
    folder : str or Path
        What `AutoModelForSequenceClassification.from_pretrained` and `AutoTokenizer.from_pretrained` load.
    destination : str or Path
        A folder, made when missing: model.onnx (input_ids (1, length) -> logits (1, classes)), tokenizer.json,
        tokenizer_config.json, model.json (labels, max_length, activation, special_ids, bytes).
    max_length : int, optional
        In tokens; longer texts are cut. Default: as many as the network takes, and at most 512.

    Raises
    ------
    ExportError
        The folder cannot be loaded, or the network cannot be exported.
    """
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    load = AutoModelForSequenceClassification.from_pretrained
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        model, report = load(folder, local_files_only=True, output_loading_info=True)
    except Exception as error:  # files that are missing, cut off, or of something else: each library has its own errors
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ExportError(
            f"{folder}: expected a saved classifier and its tokenizer; it does not load: {reason}"
        ) from None
    if report["missing_keys"]:
        missing = sorted(report["missing_keys"])[0]
        raise ExportError(
            f"{folder}: expected a trained classifier; it has no weights for {missing}. Train it, then save it."
        )
    model.float().eval()

    class Classifier(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, input_ids):
            return self.model(input_ids=input_ids).logits

    config = model.config
    one_by_one = (
        config.problem_type == "multi_label_classification" or config.num_labels == 1
    )  # as transformers' pipeline
    about = {
        "labels": [config.id2label[n] for n in range(config.num_labels)],
        "activation": "sigmoid" if one_by_one else "softmax",
        "max_length": max_length or _longest(tokenizer, config),
    }
    _export(Classifier().eval(), tokenizer, ["input_ids"], ["logits"], about, Path(destination))


def export_bert(folder, destination):
    """Export BERT with its [MASK] head.

    model.onnx: input_ids (1, length), position (1, 1) -> logits (1, vocabulary) at that position, attention (length,
    length) of the last layer, averaged over its heads, vector (hidden_size,), the mean of the last hidden vectors.
    """
    import torch
    from transformers import AutoModelForMaskedLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForMaskedLM.from_pretrained(folder, attn_implementation="eager").float().eval()

    class Bert(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, input_ids, position):
            output = self.model.bert(input_ids, output_attentions=True)
            hidden = output.last_hidden_state[0]
            logits = self.model.cls(hidden[position[0]])
            return logits, output.attentions[-1][0].mean(0), hidden.mean(0)

    about = {"max_length": _longest(tokenizer, model.config)}
    outputs = ["logits", "attention", "vector"]
    _export(Bert().eval(), tokenizer, ["input_ids", "position"], outputs, about, Path(destination))


def _longest(tokenizer, config):
    """How many tokens a network takes: the smaller of what tokenizer and positions allow."""
    limits = [tokenizer.model_max_length, getattr(config, "max_position_embeddings", None)]
    return min([limit for limit in limits if limit and limit > 0] + [512])


def _export(network, tokenizer, inputs, outputs, about, destination):
    """Write the network quantized, its tokenizer, and model.json."""
    import torch

    if not tokenizer.is_fast:
        raise ExportError(f"{type(tokenizer).__name__}: the page needs a fast tokenizer, with a tokenizer.json.")
    destination.mkdir(parents=True, exist_ok=True)
    ids = torch.tensor([tokenizer("The baker sells fresh bread.")["input_ids"]])
    arguments = (ids, torch.tensor([[1]]))[: len(inputs)]
    shapes = [{1: torch.export.Dim("length", min=2, max=about["max_length"])}, {}][: len(inputs)]
    options = {"input_names": inputs, "output_names": outputs, "dynamic_shapes": shapes, "verbose": False}
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        try:
            program = torch.onnx.export(network, arguments, dynamo=True, opset_version=OPSET, **options)
        except torch.onnx.OnnxExporterError as error:
            kind, reason = type(network.model).__name__, str(error).splitlines()[0]
            raise ExportError(f"{kind} cannot be exported to ONNX by this torch: {reason}") from None
        program.save(f"{folder}/float.onnx", external_data=False)
        quantize(f"{folder}/float.onnx", destination / "model.onnx")
        tokenizer.save_pretrained(folder)
        for name in ("tokenizer.json", "tokenizer_config.json"):
            shutil.copyfile(f"{folder}/{name}", destination / name)
    about = {**about, "special_ids": tokenizer.all_special_ids, "bytes": (destination / "model.onnx").stat().st_size}
    (destination / "model.json").write_text(json.dumps(about), encoding="utf-8")


def quantize(source, destination):
    """Store large matrices as eight-bit integers, with a scale for each `BLOCK` of numbers that are added up.

    Activations keep 32 bits: rounding those as well (onnxruntime's `quantize_dynamic`) changed BERT's first guess on 15 of
    the 80 prompts. `live/model.js` has the runtime multiply scales and integers out once, when it loads the file.
    """
    import numpy as np
    import onnx
    from onnx import helper, numpy_helper

    model = onnx.load(source)
    graph, read = model.graph, []
    for tensor in list(graph.initializer):
        weights, name = numpy_helper.to_array(tensor), tensor.name
        if weights.ndim != 2 or weights.size < SMALLEST or weights.dtype != np.float32:
            continue
        uses = {(node.op_type, n) for node in graph.node for n, used in enumerate(node.input) if used == name}
        axis = 0 if uses == {("MatMul", 1)} else 1  # embeddings, and Gemm with a transposed matrix, add up along rows
        length = weights.shape[axis]
        scales = np.maximum.reduceat(np.abs(weights), range(0, length, BLOCK), axis=axis) / 127
        scales[scales == 0] = 1
        spread = np.repeat(scales, BLOCK, axis).take(range(length), axis)
        graph.initializer.remove(tensor)
        graph.initializer.append(
            numpy_helper.from_array(np.round(weights / spread).astype(np.int8), f"{name}.integers")
        )
        graph.initializer.append(numpy_helper.from_array(scales, f"{name}.scales"))
        inputs = [f"{name}.integers", f"{name}.scales"]
        read.append(helper.make_node("DequantizeLinear", inputs, [name], axis=axis, block_size=BLOCK))
    nodes = [*read, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    onnx.save(model, destination)


# Data


def lesson_cells(number):
    """The code of a lesson's cells, by id."""
    (path,) = (ROOT / "notebooks").glob(f"{number}_*.ipynb")
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return {cell["id"]: "".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"}


def run_cells(number, ids, names):
    """Run cells of a lesson in the namespace `names`, from notebooks/, where their paths start, without printing."""
    cells = lesson_cells(number)
    with contextlib.chdir(ROOT / "notebooks"), contextlib.redirect_stdout(io.StringIO()):
        for cell in ids:
            exec(cells[cell], names)
    return names


NEAREST = ["00-04", "00-05", "00-06"]


def export_nearest(destination):
    """Write the tweets of lesson 00 and their vectors, each as 384 whole numbers and a scale; the lesson's cells make them."""
    import numpy as np
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    names = run_cells("00", NEAREST, {})
    texts = names["texts"].tolist()
    vectors = np.asarray(names["tweet_vectors"])
    vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    scales = np.abs(vectors).max(axis=1) / 127
    words = {word for text in texts for word in re.findall(r"\w+", text.lower())}
    tweets = {"texts": texts, "scales": [float(f"{scale:.4g}") for scale in scales]}
    tweets["stop_words"] = sorted(ENGLISH_STOP_WORDS & words)  # others are in no tweet
    destination.mkdir(parents=True)
    (destination / "tweets.json").write_text(json.dumps(tweets, ensure_ascii=False), encoding="utf-8")
    (destination / "vectors.bin").write_bytes(np.round(vectors / scales[:, None]).astype("int8").tobytes())


PADDING = ["05-04", "05-06", "05-08", "05-14", "05-16", "05-m5", "05-36", "05-37"]
PAD = "05-w1"


def export_padding(destination):
    """Write lesson 05's tweet, and what its `pad` prints for every setting of its controls."""
    names = run_cells("05", PADDING, {})
    function = ast.parse(lesson_cells("05")[PAD]).body[-1]
    (controls,) = (ast.unparse(decorator) for decorator in function.decorator_list)  # interact(max_len=(8, 72), …)
    low, high = map(int, re.search(r"max_len=\((\d+), (\d+)\)", controls).groups())
    function.decorator_list = []
    exec(ast.unparse(function), names)

    def similarity(length, side, mask):
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            names["pad"](length, side, mask)
        return float(printed.getvalue().split(":")[1])

    tokenizer, ids = names["tokenizer"], names["hustle_ids"]
    tweet = {
        "ids": ids,
        "tokens": tokenizer.convert_ids_to_tokens(ids),
        "special_ids": tokenizer.all_special_ids,
        "pad": {"id": tokenizer.pad_token_id, "token": tokenizer.pad_token},
        "max_len": {"min": low, "max": high, "value": names["pad"].__defaults__[0]},
        "similarity": {
            side: {
                name: [similarity(length, side, mask) for length in range(low, high + 1)]
                for name, mask in (("mask", True), ("no mask", False))
            }
            for side in ("post", "pre")
        },
    }
    destination.mkdir(parents=True)
    (destination / "tweet.json").write_text(json.dumps(tweet), encoding="utf-8")


TABLE = "l08-e3"


def stored_table():
    """The last table of lesson 08, from its stored output: [{text, expected, before: {answer, sure}}, …]."""
    (path,) = (ROOT / "notebooks").glob("08_*.ipynb")
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    (cell,) = (cell for cell in cells if cell["id"] == TABLE)
    page = "".join(cell["outputs"][0]["data"]["text/html"])
    shown = [html.unescape(text) for text in re.findall(r"<td[^>]*>(.*?)</td>", page)]
    rows = [shown[n : n + 5] for n in range(0, len(shown), 5)]
    return [{"text": r[0], "expected": r[1], "before": {"answer": r[2], "sure": r[3]}} for r in rows]


def own_classifier():
    """The learner's classifier and what the page calls it: that of lesson 10, else that of lesson 08, else none."""
    work = Path(os.environ.get("COURSE_WORK") or ROOT / "my_work")
    for name, said in (("classifier_repaired", "your repaired classifier"), ("classifier", "your classifier")):
        if (work / name / "config.json").exists():
            return work / name, said
    return None, None


# The build


def sources():
    """The files, apart from lessons and this folder, that the live parts are made from: a list of Path."""
    from transfer_learning.checkpoints import SHIPPED

    folder, _ = own_classifier()
    own = [file for file in sorted(folder.iterdir()) if file.is_file()] if folder else []
    return [ROOT / "data" / "climate_tweets.csv", SHIPPED / "SHA256SUMS", *own]


def _sum(functions, *parts):
    """One sum of the functions that export, of files' bytes and other values, and of the packages' versions."""
    versions = [
        f"{name} {importlib.metadata.version(name)}" for name in ("torch", "transformers", "onnx", "onnxscript")
    ]
    parts = [*map(inspect.getsource, functions), *parts, *versions]
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.read_bytes() if isinstance(part, Path) else str(part).encode())
    return digest.hexdigest()[:16]


def _cached(name, key, make):
    """Return the folder that `make(folder)` fills, made anew when `key` is another than last time."""
    folder = CACHE / f"{name}-{key}"
    if not folder.exists():
        for old in CACHE.glob(f"{name}-*"):
            shutil.rmtree(old)
        with tempfile.TemporaryDirectory(dir=CACHE) as temporary:
            make(Path(temporary) / "new")
            os.replace(Path(temporary) / "new", folder)
    return folder


def copy_runtime(destination):
    """Copy the modules of live/, and what they load from npm's packages, into `destination`.

    Raises
    ------
    ExportError
        npm has not installed the packages.
    """
    destination = Path(destination)
    missing = [folder for name, folder in VENDOR.items() if not (MODULES / folder / name).exists()]
    if missing:
        raise ExportError(f"{missing[0]} is not installed: run npm ci --prefix {SITE}")
    shutil.copytree(LIVE, destination, dirs_exist_ok=True)
    (destination / "vendor").mkdir(exist_ok=True)
    for name, folder in VENDOR.items():
        shutil.copyfile(MODULES / folder / name, destination / "vendor" / name)
    sizes = {RUNTIME: (destination / "vendor" / RUNTIME).stat().st_size}
    (destination / "vendor" / "sizes.json").write_text(json.dumps(sizes), encoding="utf-8")


def build(destination, classifier=None):
    """Write `destination`/live: modules, networks, data, and parts.json.

    Parameters
    ----------
    destination : str or Path
        The folder of the built pages.
    classifier : str or Path, optional
        A saved classifier for the part of lesson 10. Default: the learner's own in my_work; without one, that part is
        left out.

    Returns
    -------
    dict of str to float
        The megabytes that each live part fetches, by name, when it is started.

    Raises
    ------
    ExportError
        npm has not installed its packages, or a network cannot be exported.
    """
    # a page shows the course's own tweets and network, whatever the environment names
    for variable in ("TWEETS_CSV", "TRANSFER_LEARNING_SOURCE"):
        os.environ.pop(variable, None)
    os.environ.setdefault("KERAS_BACKEND", "torch")
    from filelock import FileLock

    from transfer_learning.checkpoints import BERT_SUMS, SHIPPED, checkpoint

    live = Path(destination) / "live"
    shutil.rmtree(live, ignore_errors=True)
    copy_runtime(live)
    said, own = "the classifier", classifier is None
    if own:
        classifier, said = own_classifier()
    weights = [BERT_SUMS, SHIPPED / "SHA256SUMS"]
    tweets = ROOT / "data" / "climate_tweets.csv"
    cells = {
        number: [lesson_cells(number)[name] for name in ids]
        for number, ids in (("00", NEAREST), ("05", [*PADDING, PAD]))
    }
    CACHE.mkdir(exist_ok=True)
    with FileLock(CACHE / ".lock"):
        folders = {
            "bert": _cached(
                "bert",
                _sum([export_bert, _export, quantize], *weights),
                lambda folder: export_bert(checkpoint(BERT), folder),
            ),
            "nearest": _cached("nearest", _sum([export_nearest], *weights, tweets, cells["00"]), export_nearest),
            "padding": _cached("padding", _sum([export_padding], *weights, tweets, cells["05"]), export_padding),
        }
        if classifier:
            files = [file for file in sorted(Path(classifier).iterdir()) if file.is_file()]
            key = _sum([export_classifier, _export, quantize], *files)
            kept = "classifier" if own else "another_classifier"  # a test's does not replace the learner's
            folders["classifier"] = _cached(kept, key, lambda folder: export_classifier(classifier, folder, 64))
        for name, folder in folders.items():
            shutil.copytree(folder, live / "model" / name)
    if classifier:
        about = {"name": said, "sentences": stored_table()}
        (live / "model" / "classifier" / "sentences.json").write_text(json.dumps(about), encoding="utf-8")

    def megabytes(*places):
        files = [
            f for place in places for f in ([live / place] if (live / place).is_file() else (live / place).iterdir())
        ]
        return round(sum(file.stat().st_size for file in files) / 1e6, 1)

    network = ["model/bert", f"vendor/{RUNTIME}"]
    parts = {
        "tokenizer": megabytes("model/bert/tokenizer.json"),
        "padding": megabytes("model/padding"),
        "samplers": 0,
        "mask": megabytes(*network),
        "attention": megabytes(*network),
        "nearest": megabytes(*network, "model/nearest"),
    }
    if classifier:
        parts["classifier"] = megabytes("model/classifier", f"vendor/{RUNTIME}")
    (live / "parts.json").write_text(json.dumps(parts), encoding="utf-8")
    return parts


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    try:
        print(build(sys.argv[1]))
    except ExportError as error:
        sys.exit(str(error))
