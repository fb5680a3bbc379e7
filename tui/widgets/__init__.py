"""Widgets that draw visible lines only. They know rows and cells, and nothing of nodes."""
