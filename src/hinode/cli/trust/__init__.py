"""Commands about provenance, verification, screening, consent and the audit log."""
