"""Reading letters: who wrote, from where, when and for what."""
