"""The engine that starts sd-scripts and reads what it prints."""
