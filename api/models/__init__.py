"""What goes out and comes in: one pydantic module per resource, each with an example."""
