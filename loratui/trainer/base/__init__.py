"""The frozen base model: found, read, kept in its precision."""
