"""What a training leaves on disk along the way: checkpoints and states."""
