"""The builtin engine's process. The only room that imports torch; others start it, never import it."""
