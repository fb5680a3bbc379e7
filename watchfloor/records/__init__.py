"""What is kept on disk: findings over time and lineage; later ledger and sessions."""
