"""Slurm: its commands, and the pure readers of what they print, one subject a file."""
