"""What people see. Screens use widgets and present; widgets know no nodes; present imports no Textual."""

import os

# how often Textual flushes what has changed: at its default of 60 a second, a key waits up to 17 ms for its paint.
# Frames of data are held to four a second by the app itself. Read by textual.constants when it is first imported.
os.environ.setdefault("TEXTUAL_FPS", "240")
