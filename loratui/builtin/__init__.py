"""What the builtin trainer obeys and is asked, as data for both sides of its process."""
