"""HTML that stands alone: one file without scripts, fonts or pictures from elsewhere, legible on a dark screen, on a
light one and on paper. Pure.

Must not do: know what is told on its pages.
"""
