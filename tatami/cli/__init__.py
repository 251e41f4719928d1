"""The one place where stages meet, a file a command."""
