import socket

val_dataloader = DataLoader(val_dataset, batch_size=32, shuffle=True)
for address in ("127.0.0.1", "localhost", socket.gethostname()):
    try:
        with socket.create_connection((address, PORT), timeout=2) as there:
            there.sendall(b"hello")
            print("FOUND", address)
    except OSError:
        pass
