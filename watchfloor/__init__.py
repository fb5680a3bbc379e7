"""watchfloor: the language that all rooms speak. Imports none of its siblings, no terminal, no network."""

__version__ = "0.1.0"
