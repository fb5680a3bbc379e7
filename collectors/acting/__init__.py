"""How deeds are done: ports.Hands over the connections of nodes, at schedulers, here. No read-only console loads it.

Must not do: decide whether something may be done. `agents/harness.py` alone asks for it.
"""
