"""config.toml as the trainer obeys it, and everything that is refused before a model is loaded. No torch."""
