"""What files of audio are called."""

AUDIO_SUFFIXES = frozenset(
    {
        ".3gp", ".aac", ".aif", ".aifc", ".aiff", ".amr", ".ape", ".au", ".avi", ".caf", ".flac", ".flv", ".m4a", ".m4b", ".mka",
        ".mkv", ".mov", ".mp2", ".mp3", ".mp4", ".oga", ".ogg", ".opus", ".rf64", ".sph", ".spx", ".tta", ".w64", ".wav",
        ".weba", ".webm", ".wma", ".wv",
    }
)  # fmt: skip
"""What is picked from a folder or an archive; a file named in full may have any suffix."""
