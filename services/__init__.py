"""What Cartulary talks to: one folder per capability, each with an embedded and a networked adapter."""
