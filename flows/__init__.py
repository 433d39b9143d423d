"""What happens: the steps of the main job, the command line and the demo."""
