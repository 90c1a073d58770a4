"""The invisible watermark of clips: laid without a network, and found again after what happens to videos."""
