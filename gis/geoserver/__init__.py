"""GeoServer over its REST interface: every noun compares what is there with what is wanted, and writes only a difference."""
