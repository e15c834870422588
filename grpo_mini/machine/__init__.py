"""The computer: its devices, processors and memory, and its Ctrl-C."""
