"""The formats that labeled sets come in, one a file; table.py names them all."""
