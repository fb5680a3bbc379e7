"""The hands: a program that carries out single commands on a node, from memory, and keeps what came of each.

Sent by consoles that act, and by no other. Standard library only, Python 3.6 or newer. An operation's id names one deed
for good: its intent is on disk before it begins, its result when it has ended, both until the console says that they
are on record. What is carried out has nothing to do with the connection: that may break, and the console may die.
Must not do: start a shell, carry an operation out twice, import anything of watchfloor.
"""
