"""A frame as text: JSON document, aligned table, Prometheus exposition. Pure: a frame goes in, text comes out.

Must not do: I/O, collecting, deciding what is wrong.
"""
