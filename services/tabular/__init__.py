"""Files of rows: what they look like, and how their rows are read, whatever the format."""
