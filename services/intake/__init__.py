"""The one door: sniff, refuse, hash, store object and manifest, register."""
