"""What belongs to an account: webhook endpoints."""
