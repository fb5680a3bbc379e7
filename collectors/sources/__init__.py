"""The room of job and service sources (schedulers, metric servers), one a file; empty until the first of them."""
