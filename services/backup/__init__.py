"""What all parts of a backup have in common, whichever service saves them."""
