"""What depends on the task, one file each; table.py lists them."""
