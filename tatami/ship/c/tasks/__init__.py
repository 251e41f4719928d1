"""What tasks add in C: a function of a picture, and the program around it that reads files."""
