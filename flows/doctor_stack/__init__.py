"""The doctor of the stack: what stands in the way of starting it, and what is wrong with the one that runs."""
