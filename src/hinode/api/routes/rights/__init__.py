"""Routes about the rights of people: consents, confirmations, reviews of uploads, and takedown."""
