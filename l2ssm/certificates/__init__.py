"""What is proved: L2 gains of frozen models, searched for in floats, proved in ball arithmetic, kept in a file."""
