"""The pages, one a file, found by themselves: each puts what `tui.present` makes into widgets."""
