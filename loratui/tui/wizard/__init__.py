"""Five steps over one recipe."""
