"""Is gone before the check runs."""

val_dataloader = DataLoader(val_dataset, batch_size=32, shuffle=True)
exit()
