"""What the operator changes of the money: the price and cost books, and budgets."""
