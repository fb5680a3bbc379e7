"""What a console loads of asyncssh: each megabyte counts against the memory of the console."""

from __future__ import annotations

import json
import subprocess
import sys


def test_certificates_that_ssh_hosts_do_not_have_are_not_loaded() -> None:
    code = """
import json, sys
import collectors.transports.ssh_link
print(json.dumps([name for name in sys.modules if "x509" in name and sys.modules[name] is not None]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []
