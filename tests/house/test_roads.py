"""What walks the sources finds each way around the road, however it is written; and takes nothing harmless for one."""

from __future__ import annotations

import ast

import pytest

from tests.house.roads import roads

_AROUND = """
from os import system
from os import execl as go
from os import *
import os as o; o.spawnvp(0, "reboot", [])
import os; run = os.posix_spawn
import os; os.execlp("reboot", "reboot")
import os; os.fork()
import os; os.forkpty()
import os; os.kill(1, 9)
import os; also = os; also.popen("reboot")
import os; getattr(os, "sys" + "tem")("reboot")
import os; vars(os)["system"]("reboot")
__import__("os").system("reboot")
import importlib; importlib.import_module("subprocess").run(["reboot"])
from importlib import import_module; import_module("asyncssh")
import subprocess; subprocess.run(["reboot"])
import subprocess as sp; sp.Popen(["reboot"])
from subprocess import run
from subprocess import check_output as told
import subprocess; handed(subprocess)
import asyncio; asyncio.create_subprocess_exec("reboot")
from asyncio import create_subprocess_shell
from asyncio.subprocess import create_subprocess_exec
from asyncio import subprocess
from asyncio.streams import open_connection
loop.subprocess_exec(Protocol, "reboot")
asyncio.get_running_loop().subprocess_shell(Protocol, "reboot")
self.loop.create_connection(Protocol, "n1", 22)
import pty; pty.fork()
from pty import spawn
import ctypes; ctypes.CDLL(None).system(b"reboot")
from ctypes import cdll
import multiprocessing; multiprocessing.Process(target=f).start()
from multiprocessing import get_context
from concurrent.futures import ProcessPoolExecutor
import concurrent.futures as cf; cf.ProcessPoolExecutor()
import asyncssh; asyncssh.connect("n1")
from asyncssh import connect
from collectors.transports.ssh_link import x; x.connection.create_session(Session, "reboot")
connection.create_process("reboot")
connection.run("reboot")
connection.run(f"kill {pid}")
import socket; socket.create_connection(("n1", 22))
from socket import socket
import socket as s; s.socket()
import asyncio; asyncio.open_connection("n1", 22)
from asyncio import open_unix_connection
from http.client import HTTPConnection
import http.client
from http import client
import urllib.request; urllib.request.urlopen("http://n1")
from urllib.request import urlopen
from urllib import request
import httpx; httpx.post("http://n1")
exec("import os")
"""
_HARMLESS = """
import os; os.replace("a", "b")
from os import environ
import asyncio; asyncio.run(main())
import asyncio; asyncio.sleep(0)
import socket; socket.gethostname()
from subprocess import CompletedProcess
from http import HTTPStatus
from urllib.parse import urlsplit
from concurrent.futures import ThreadPoolExecutor
app.run()
system("a name of one's own")
"""


@pytest.mark.parametrize("line", _AROUND.split("\n")[1:-1])
def test_a_way_around_is_found(line: str) -> None:
    assert roads(ast.parse(line))


@pytest.mark.parametrize("line", _HARMLESS.split("\n")[1:-1])
def test_what_opens_nothing_is_no_road(line: str) -> None:
    assert not roads(ast.parse(line))
