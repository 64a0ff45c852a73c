"""Files of numbers, ours and other people's, read without running them: lists of units, NumPy's files, k-means codebooks."""
