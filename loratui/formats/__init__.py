"""Files of models, LoRAs, prompts and vocabularies as they lie on disk. No torch."""
