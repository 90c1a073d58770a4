"""Commands about credit, budgets and what an installation costs."""
