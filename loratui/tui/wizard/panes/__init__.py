"""The five steps, Review, and their parts."""
