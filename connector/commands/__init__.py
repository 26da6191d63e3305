"""What the commands share, and the longer ones."""
