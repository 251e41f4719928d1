"""Training: a typed recipe, a loop on one page, checkpoints that survive a kill."""
