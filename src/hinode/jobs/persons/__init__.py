"""The data of one person: what there is of it, its export, and its deletion."""
