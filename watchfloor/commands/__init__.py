"""The commands, one a module, each imported when it is asked for. They read arguments, call the wiring and print."""
