"""Files that people open: video, moving and still pictures, and the frames behind them."""
