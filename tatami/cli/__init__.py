"""The one place where stages meet, a file a command."""

import os

# NumPy reads it when it is first imported. Its products are too small to gain by a second thread,
# and OpenBLAS's idle threads spin: on a busy machine they take the cores from whoever has work.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
