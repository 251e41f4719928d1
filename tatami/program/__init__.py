"""A network lowered to steps that any machine can run; it knows no machine."""
