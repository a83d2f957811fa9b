"""Engines: each turns a recipe into one config.toml and a command, and reads what that command prints."""
