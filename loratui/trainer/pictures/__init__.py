"""From picture files to batches of latents: which are shown, in which order, at which size."""
