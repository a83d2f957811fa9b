"""From captions and prompts to what the U-Net is conditioned on."""
