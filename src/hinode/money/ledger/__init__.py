"""The ledger: accounts and transfers in double entry, holds in two phases, credit in lots.

Each credit is a lot, an account of its own with a priority and an expiry. A hold sets aside credit of one or
more lots, and is resolved once: by a capture of all or a part of it, a void, or its expiry. A mistake is
taken back by a reversal. Triggers of the database apply every transfer and refuse one that breaks a rule.
"""
