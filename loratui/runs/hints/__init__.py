"""Known issues of a training: recognised in its log, told with their cause, and mended."""
