"""Pictures looked at once: whole or broken, their pixels, and which of them are alike."""
