"""What is to be shown, as plain data: lines, cells, levels and charts of a frame. Pure, and without Textual."""
