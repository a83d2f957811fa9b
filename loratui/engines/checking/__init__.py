"""What is wrong with a recipe's files, seen before anything starts."""
