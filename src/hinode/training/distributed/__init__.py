"""Training by several processes that share each batch, or also the weights."""
