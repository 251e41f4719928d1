"""A page for browsers, which runs the very C that ships, compiled to WebAssembly."""
