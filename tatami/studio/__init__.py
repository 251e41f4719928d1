"""The studio: a page of this machine's own that shows what happens inside networks."""
