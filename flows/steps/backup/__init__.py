"""A backup of everything into a folder, and back from it into an empty platform."""
