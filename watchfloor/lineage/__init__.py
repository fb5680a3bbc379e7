"""What led to what: jobs, their attempts, where these ran, what was found there meanwhile, and what came of it. Pure.

`graph` has the words, `watch` makes them of what is seen, `reach` takes the part of a graph that concerns one thing,
`tree` tells it to a person, `openlineage` and `dot` to other programs. `watchfloor.records.lineage` keeps it on disk.
"""
