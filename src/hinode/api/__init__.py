"""HTTP: Sora's wire format in, ours out."""
