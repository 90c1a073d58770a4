"""How good the networks are: suites with cases of their own, beside the truth of the drawn world."""
