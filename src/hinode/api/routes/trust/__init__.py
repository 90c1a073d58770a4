"""Routes of screening, its policy, its reviews, and the audit log."""
