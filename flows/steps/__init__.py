"""The steps of the main job: plain functions that take services and return a small result."""
