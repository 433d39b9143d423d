"""The map mirror: gold published to desktop GIS."""
