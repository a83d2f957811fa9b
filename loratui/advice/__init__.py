"""Pure functions from a recipe, its pictures and this machine to numbers and reasons."""
