"""``loratui lora``: what one does with a finished LoRA file."""
