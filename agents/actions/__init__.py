"""What can be done, one action a file named verb_noun; what several share begins with a dash below."""
