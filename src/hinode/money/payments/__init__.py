"""Payments for packs of credit: what a payment provider does, Stripe, and what its webhooks cause."""
