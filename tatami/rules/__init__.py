"""What Python, C and RTL share word for word: each rule has a page in docs/ and a twin in C."""
