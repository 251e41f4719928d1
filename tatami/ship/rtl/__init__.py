"""The RTL back end: an engine in Verilog that is told by descriptors, and what lowers, proves and sizes it."""
