"""What clips cost and who pays for them: quotes, prices, credit, limits, and whether it pays."""
