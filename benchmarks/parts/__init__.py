"""Speed and memory of parts of the program, a command each."""
