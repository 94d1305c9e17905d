"""What survives a restart: usage, files, batches, quota. Callers know `contract.py`; `sqlite.py` is one dialect."""
