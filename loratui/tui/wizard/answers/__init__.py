"""The wizard without its screens: what was answered, what the disk says, what follows from both."""
