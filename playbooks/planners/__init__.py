"""Planners: each a module with OPTIONS and plan(matter), as watchfloor/playbook.py has them. Pure."""
