"""The signed head of the audit log, its verification, and its export."""
