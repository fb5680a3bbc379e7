"""What goes wrong in a demo: one scenario a file, each with a SCENARIO; found by `faults.scenarios`."""
