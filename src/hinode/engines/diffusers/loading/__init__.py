"""Loading a checkpoint: what its files say, its parts with their weights, LoRAs, and how denoisers are set
up. Imports from `memory`; `execution` imports from here."""
