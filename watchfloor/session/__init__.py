"""Sessions: frames, screens and marks on one timeline, in one file that can be read at any moment.

leaves.py   a frame as arrays, texts and tables that are cheap to compare     stage.py   and back
arrays.py tables.py   what changed of them since the moment before, as bytes: pure
together.py teller.py   columns that move every second, told by what their forecast did not foretell: reading, writing
forecast.py fitting.py  what columns say of one another, and how that is found     coding.py   whole numbers in few bits
moment.py   one moment as bytes: everything, or what changed
tape.py     blocks in a file: appended, never changed; a torn end is left out
chapters.py   what a person looks for in it; pure     contents.py   found in the file
player.py seeking.py   where a replay stands and goes: pure     salvage.py   of a file that was altered
writer.py   frames -> file      reader.py   file -> the frame of any moment
"""
