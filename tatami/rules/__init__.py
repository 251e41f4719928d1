"""Rules that Python, C and RTL share word for word: each has a page in docs/ and a twin in C."""
