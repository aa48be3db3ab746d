"""What train.py leaves out: every row counts exactly once in the loss, also where a batch cannot be dealt out evenly.

python exact.py                            one process
torchrun --nproc-per-node 2 exact.py       two, with the same losses and weights up to rounding

The options are those of train.py; there are no checkpoints.
"""

import json
from pathlib import Path

import torch
import train
from accelerate import Accelerator, DataLoaderConfiguration
from transformers import DataCollatorWithPadding, get_linear_schedule_with_warmup


def share(batch, rank, world):
    """Return one process's part of a batch: every `world`-th row, from number `rank` on. The parts may be uneven."""
    return batch[rank::world]


def batches(rows, size, epoch):
    """Yield the batches of an epoch as lists of rows, in an order that all processes work out for themselves.

    The last one holds whatever is left over.
    """
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(epoch)).tolist()
    for start in range(0, len(order), size):
        yield [rows[n] for n in order[start : start + size]]


def part_of_the_mean(model, inputs, rows, world):
    """Return what this process adds to the mean loss over a batch of `rows` rows: its own part has any number of them.

    DistributedDataParallel will divide the gradients' sum by `world`, so its own sum is multiplied by `world / rows`.
    """
    labels = inputs.pop("labels")
    loss = torch.nn.functional.cross_entropy(model(**inputs).logits, labels, reduction="sum", ignore_index=-100)
    return loss * world / rows


def main(args):
    # schedule.step() is one step, however many processes there are
    dealing = DataLoaderConfiguration(split_batches=True)
    accelerator = Accelerator(cpu=not torch.cuda.is_available(), dataloader_config=dealing)
    rank, world = accelerator.process_index, accelerator.num_processes
    torch.manual_seed(rank)
    tokenizer, model = train.load(args, accelerator)
    rows = train.read(args, tokenizer)[0]
    collate = DataCollatorWithPadding(tokenizer)
    optimizer = torch.optim.AdamW(model.parameters(), lr=args.lr, fused=True)
    steps = args.epochs * -(-len(rows) // args.batch_size)
    schedule = get_linear_schedule_with_warmup(optimizer, steps // 10, steps)
    model, optimizer, schedule = accelerator.prepare(model, optimizer, schedule)
    model.train()
    losses, counted = [], 0
    for epoch in range(args.epochs):
        for batch in batches(rows, args.batch_size, epoch):
            own = share(batch, rank, world)
            counted += len(own)
            # without a row, it must still take part in the averaging: with a row whose label the loss ignores
            inputs = collate(own or [batch[0] | {"label": -100}]).to(accelerator.device)
            loss = part_of_the_mean(model, inputs, len(batch), world)
            accelerator.backward(loss)
            accelerator.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            losses.append(accelerator.reduce(loss.detach(), "mean").item())
    counted = accelerator.reduce(torch.tensor(counted, device=accelerator.device), "sum").item()
    accelerator.print(f"processes: {world}; {len(rows)} rows, {args.epochs} epochs; rows in the loss: {counted}")
    if accelerator.is_main_process:
        Path(args.out).mkdir(parents=True, exist_ok=True)
        Path(args.out, "losses.json").write_text(json.dumps(losses))
    accelerator.unwrap_model(model).save_pretrained(f"{args.out}/model", is_main_process=accelerator.is_main_process)
    accelerator.wait_for_everyone()
    accelerator.end_training()


if __name__ == "__main__":
    main(train.arguments())
