"""The room of actions, one a file named verb_noun; empty until the harness that alone may call them is there."""
