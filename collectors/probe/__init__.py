"""The probe: a program that runs on the node, from memory, and says once a second what changed there.

Standard library only, Python 3.6 or newer, one sampler a file (a module with a class `Sampler` is found by itself).
Must not do: start programs, write files, import anything of watchfloor.
"""
