"""Jobs: what schedulers and nodes say of them, which accelerators are whose, how well each job does.

    model.py        Job, Allocation, Attempt, SourceStatus: what a source tells (frozen)

Must not do: I/O, drawing.
"""
