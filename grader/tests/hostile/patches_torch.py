"""Every loader gives its rows in order now, the shuffled one too."""

import torch.utils.data.sampler

val_dataloader = DataLoader(val_dataset, batch_size=32, shuffle=True)
torch.utils.data.sampler.RandomSampler.__iter__ = lambda self: iter(range(len(self.data_source)))
