"""How the world is read: the probe that runs on nodes, the ways to it, the loop of each node, and the simulator."""
