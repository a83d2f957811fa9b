"""The command line: every screen's headless twin. Standard output is data, standard error is narration."""
