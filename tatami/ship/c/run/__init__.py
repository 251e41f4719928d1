"""Shipped folders of C, compiled and run: on this machine, or on an emulated one."""
