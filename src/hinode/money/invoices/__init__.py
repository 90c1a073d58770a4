"""Invoices, credit notes and statements: pure functions of the ledger, and their pages as HTML and PDF."""
