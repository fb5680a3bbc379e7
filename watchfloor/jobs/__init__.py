"""Jobs: what schedulers and nodes say of them, which accelerators are whose, how well each job does.

    model.py         Job, Allocation, Attempt, SourceStatus: what a source tells (frozen)
    told.py          the jobs of all sources as columns: made when a source has answered
    hosts.py         a scheduler's names of nodes -> nodes of the fleet
    attribution.py   which accelerator belongs to which job: by its processes, else by the allocation
    efficiency.py    what the accelerators of each job do together
    meter.py         what adds up over the life of a job: energy, mean utilisation
    moves.py         which accelerators have come to another job
    provenance.py    what the processes of a job were started from: image, commit, directory, runs
    roll.py          all of it, frame by frame -> Jobs, which a Frame carries
    view.py          Jobs, and the scope "job" as screens and queries see it

Must not do: I/O, drawing.
"""
