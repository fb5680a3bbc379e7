"""The room of the ledger, sessions and lineage; empty until something acts that must be on record."""
