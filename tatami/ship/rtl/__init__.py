"""The RTL back end: an engine in Verilog that descriptors drive, and what lowers and proves it."""
