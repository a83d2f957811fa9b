"""Where a base model's tensors lie: the names of Stability and open_clip, and of diffusers. Pure text."""
