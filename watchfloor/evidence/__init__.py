"""Evidence of one run, incident or job in one file: what was seen, planned, decided, signed, done, and the proof of it.

`gather.py` takes it from ledger, sessions and lineage; `check.py` proves it, with nothing but the file itself.
"""
