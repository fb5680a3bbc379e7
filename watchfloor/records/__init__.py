"""What is kept on disk: findings over time; later ledger, sessions and lineage."""
