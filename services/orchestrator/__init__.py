"""Getting outstanding work done: the inline queue and worker of the embedded mode."""
