"""The room of planners, which compute a plan from a frame; empty until there are plans."""
