"""How a program is started on a node: as a child process here, or over SSH."""

import sys

# asyncssh looks for X.509 certificates in SSH keys, and goes without where pyOpenSSL is missing, but only after it has
# loaded cryptography's half of them: 1.3 MiB and a seventh of its start. OpenSSH has no such keys, and here none may
# verify a host.
sys.modules.setdefault("asyncssh.crypto.x509", None)  # pyright: ignore[reportArgumentType] - documented: can't be imported
