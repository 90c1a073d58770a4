"""Files of pictures, videos and sound, opened and decoded."""
