"""Workers: a process that claims jobs, carries them out and keeps their leases alive."""
