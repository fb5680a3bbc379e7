"""How a program is started on a node: as a child process here, or over SSH."""
