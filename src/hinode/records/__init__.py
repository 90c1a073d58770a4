"""What is kept in the database: tables, migrations and transactions. It decides nothing."""
