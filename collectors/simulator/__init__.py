"""A fleet that needs no hardware: for the demo, drills, tests and benches.

`fleet.start_demo` runs the real probe against simulated devices, behind real SSH servers on loopback. `wire.
start_wire_fleet` speaks only the wire, for thousands of nodes. Neither touches anything of the user's ~/.ssh.
"""
