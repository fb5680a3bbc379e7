"""A table that draws only what is visible, for lists of any length that change while they are looked at.

The cursor is pinned to an identity, never to a row number: after a sort or a new frame the same accelerator stays
selected. It knows nothing of nodes or metrics: a `TableModel` (tui.present.columns, since present functions make them
and import no Textual) gives it texts and tokens.
"""

from __future__ import annotations

from textual.message import Message

from tui.present.columns import Column, TableModel
