"""The SSH transport against real OpenSSH servers, and against servers that misbehave."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from collectors.transports.ssh import SshTransport
from tests.support import parts
from tests.support.patience import PATIENCE_SECONDS, until
from tests.support.receivers import Heard
from tests.support.sshd import Lab, keygen
from watchfloor.errors import ConnectError, HostKeyError, StreamError
from watchfloor.model import NodeSpec, Problem, SshOptions


@pytest.fixture
async def transport() -> AsyncIterator[SshTransport]:
    made = SshTransport()
    yield made
    await made.close()


async def _fails(transport: SshTransport, spec: NodeSpec) -> ConnectError:
    with pytest.raises(ConnectError) as caught:
        await asyncio.wait_for(transport.start(spec, "true", Heard()), PATIENCE_SECONDS)
    return caught.value


async def _echoes(transport: SshTransport, spec: NodeSpec) -> None:
    heard = Heard()
    channel = await transport.start(spec, "cat", heard)
    channel.write(b"hello\n")
    await heard.until(b"hello\n")
    await channel.close()


async def test_a_program_has_its_input_outputs_and_exit_status(lab: Lab, transport: SshTransport) -> None:
    lab.configure(f"Host node\n  Port {lab.host('node').port}")
    heard = Heard()
    channel = await transport.start(lab.spec("node"), "read line; echo got $line; echo oops >&2; exit 3", heard)
    channel.write(b"this\n")
    assert await asyncio.wait_for(heard.over, PATIENCE_SECONDS) == (None, 3)
    assert (heard.out, heard.err) == (b"got this\n", b"oops\n")
    await channel.close()


async def test_a_paused_channel_delivers_nothing_and_the_node_is_held_back(lab: Lab, transport: SshTransport) -> None:
    lab.configure(f"Host node\n  Port {lab.host('node').port}")
    heard = Heard()
    channel = await transport.start(lab.spec("node"), "while :; do echo 0123456789; done", heard)
    await heard.until(b"0123456789\n" * 10)
    channel.pause()
    before = len(heard.out)
    await asyncio.sleep(0.3)
    assert len(heard.out) == before
    channel.resume()
    await heard.until(b"0123456789\n" * (before // 11 + 1000))
    await channel.close()


async def test_programs_on_a_node_share_its_connection(lab: Lab, transport: SshTransport) -> None:
    host = lab.host("node")
    lab.configure(f"Host node\n  Port {host.port}")
    heard = [Heard() for _ in range(4)]
    channels = await asyncio.gather(*(transport.start(lab.spec("node"), "cat", one) for one in heard))
    assert len(host.sessions()) == 1
    for channel in channels[:-1]:
        await channel.close()
    channels[-1].write(b"still here\n")
    await heard[-1].until(b"still here\n")
    await channels[-1].close()


async def test_user_certificate_and_host_authority(lab: Lab, transport: SshTransport) -> None:
    host = lab.host("certified-host", known=False, certificate=True)
    lab.know(f"@cert-authority certified-* {(lab.folder / 'host_ca.pub').read_text()}")
    lab.configure(
        f"Host node\n  Port {host.port}\n  HostKeyAlias certified-host\n  IdentityFile {lab.folder}/certified"
    )
    # only the certificate lets it in: the key alone is in no authorized_keys
    (lab.folder / "authorized_keys").write_text("")
    await _echoes(transport, lab.spec("node"))


async def test_an_expired_certificate_is_told(lab: Lab, transport: SshTransport) -> None:
    host = lab.host("node")
    key = keygen(lab.folder / "late", "late")
    _sign_for_the_past(lab, key)
    lab.configure(f"Host node\n  Port {host.port}\n  IdentityFile {key}\n  IdentitiesOnly yes")
    (lab.folder / "authorized_keys").write_text("")
    error = await _fails(transport, lab.spec("node"))
    assert error.problem is Problem.AUTHENTICATION and f"{key} is not good: Certificate expired" in error.message


async def test_a_host_certificate_for_another_name_is_turned_down(lab: Lab, transport: SshTransport) -> None:
    host = lab.host("certified-host", known=False, certificate=True)
    lab.know(f"@cert-authority * {(lab.folder / 'host_ca.pub').read_text()}")
    lab.configure(f"Host node\n  Port {host.port}\n  HostKeyAlias somebody-else")
    error = await _fails(transport, lab.spec("node"))
    assert isinstance(error, HostKeyError) and error.problem is Problem.HOST_KEY_CHANGED


async def test_nodes_behind_a_chain_of_jumps_share_it(lab: Lab, transport: SshTransport) -> None:
    outer, inner, host = lab.host("outer"), lab.host("inner"), lab.host("node")
    lab.configure(
        f"Host outer\n  Port {outer.port}\nHost inner\n  Port {inner.port}\n"
        f"Host node-*\n  Port {host.port}\n  ProxyJump outer,inner"
    )
    specs = [lab.spec(f"node-{number}") for number in range(6)]
    heard = [Heard() for _ in specs]
    channels = await asyncio.gather(
        *(transport.start(spec, "cat", one) for spec, one in zip(specs, heard, strict=True))
    )
    assert (len(outer.sessions()), len(inner.sessions()), len(host.sessions())) == (1, 1, 6)
    for channel in channels:
        await channel.close()
    await until(lambda: not outer.sessions())  # nobody is behind it any more


async def test_a_jump_host_that_breaks_ends_all_behind_it_and_is_made_anew(lab: Lab, transport: SshTransport) -> None:
    jump, host = lab.host("jump"), lab.host("node")
    lab.configure(f"Host jump\n  Port {jump.port}\nHost node\n  Port {host.port}\n  ProxyJump jump")
    heard = Heard()
    await transport.start(lab.spec("node"), "cat", heard)
    jump.cut()
    error, _ = await asyncio.wait_for(heard.over, PATIENCE_SECONDS)
    assert isinstance(error, StreamError) and error.problem is Problem.CLOSED
    await _echoes(transport, lab.spec("node"))


async def test_an_unknown_host_key_is_never_accepted(lab: Lab, transport: SshTransport) -> None:
    host = lab.host("node", known=False)
    lab.configure(f"Host node\n  Port {host.port}\n  StrictHostKeyChecking no")
    error = await _fails(transport, lab.spec("node"))
    assert isinstance(error, HostKeyError) and error.problem is Problem.HOST_KEY_UNKNOWN
    assert _fingerprint(f"{host.folder}/host_key.pub") in error.message and "ssh node" in error.advice
    assert lab.known_hosts.read_text() == ""


async def test_no_known_hosts_file_at_all_trusts_nobody(lab: Lab, transport: SshTransport) -> None:
    host = lab.host("node")
    lab.configure(f"Host node\n  Port {host.port}\n  UserKnownHostsFile none\n  GlobalKnownHostsFile none")
    assert (await _fails(transport, lab.spec("node"))).problem is Problem.HOST_KEY_UNKNOWN


async def test_a_changed_host_key_names_its_line_and_both_fingerprints(lab: Lab, transport: SshTransport) -> None:
    lab.know("# one line before it")
    host = lab.host("node")
    lab.configure(f"Host node\n  Port {host.port}")
    old = _fingerprint(f"{host.folder}/host_key.pub")
    await _echoes(transport, lab.spec("node"))
    host.stop()
    host.make_key()
    host.start()
    error = await _fails(transport, lab.spec("node"))
    assert isinstance(error, HostKeyError) and error.problem is Problem.HOST_KEY_CHANGED
    assert f"{lab.known_hosts}:2" in error.message
    assert old in error.message and _fingerprint(f"{host.folder}/host_key.pub") in error.message
    # what the advice says mends it, without a new start of the console
    lab.known_hosts.write_text(f"[127.0.0.1]:{host.port} {host.public_key}\n")
    await _echoes(transport, lab.spec("node"))


async def test_another_type_of_key_than_the_known_one_is_a_change(lab: Lab, transport: SshTransport) -> None:
    host = lab.host("node", known=False)
    keygen(lab.folder / "ecdsa", "another", kind="ecdsa")
    lab.know(f"[127.0.0.1]:{host.port} {(lab.folder / 'ecdsa.pub').read_text()}")
    lab.configure(f"Host node\n  Port {host.port}")
    assert (await _fails(transport, lab.spec("node"))).problem is Problem.HOST_KEY_CHANGED


async def test_a_revoked_host_key_is_refused(lab: Lab, transport: SshTransport) -> None:
    host = lab.host("node")
    lab.know(f"@revoked * {host.public_key}")
    lab.configure(f"Host node\n  Port {host.port}")
    error = await _fails(transport, lab.spec("node"))
    assert error.problem is Problem.HOST_KEY_CHANGED and f"{lab.known_hosts}:2" in error.message


async def test_a_key_that_nobody_knows_is_an_authentication_problem(lab: Lab, transport: SshTransport) -> None:
    host = lab.host("node")
    lab.configure(f"Host node\n  Port {host.port}")
    (lab.folder / "authorized_keys").write_text((lab.folder / "stranger.pub").read_text())
    error = await _fails(transport, lab.spec("node"))
    assert error.problem is Problem.AUTHENTICATION and "ssh node" in error.advice


async def test_an_encrypted_key_is_passed_over_and_named(lab: Lab, transport: SshTransport) -> None:
    host = lab.host("node")
    lab.config.write_text(_bare(lab, "encrypted"))
    error = await _fails(transport, lab.spec("node", host.port, SshOptions(user=_user())))
    assert error.problem is Problem.AUTHENTICATION
    assert f"{lab.folder}/encrypted is encrypted" in error.message


async def test_a_key_that_others_may_read_is_ignored_as_ssh_does(lab: Lab, transport: SshTransport) -> None:
    host = lab.host("node")
    (lab.folder / "id").chmod(0o644)
    lab.configure(f"Host node\n  Port {host.port}")
    error = await _fails(transport, lab.spec("node"))
    assert error.problem is Problem.AUTHENTICATION and "chmod 600" in error.message


async def test_an_agent_opens_what_a_file_cannot(lab: Lab, transport: SshTransport, agent: str) -> None:
    host = lab.host("node")
    # the agent holds `id`; the file is there only as its public half
    (lab.folder / "id").unlink()
    lab.config.write_text(_bare(lab, "id") + f"  IdentityAgent {agent}\n  IdentitiesOnly yes\n")
    await _echoes(transport, lab.spec("node", host.port, SshOptions(user=_user())))


async def test_a_server_that_wants_a_password_says_so(lab: Lab, transport: SshTransport) -> None:
    host = lab.host("node", "PubkeyAuthentication no\nPasswordAuthentication yes")
    lab.configure(f"Host node\n  Port {host.port}")
    error = await _fails(transport, lab.spec("node"))
    assert error.problem is Problem.AUTHENTICATION and "password" in error.message


async def test_many_nodes_of_one_server_pass_its_max_startups(lab: Lab, transport: SshTransport) -> None:
    host = lab.host("node", "MaxStartups 5:100:5")
    lab.configure(f"Host node-*\n  Port {host.port}")
    await asyncio.gather(*(_echoes(transport, lab.spec(f"node-{number}")) for number in range(20)))


async def test_a_name_that_is_not_there(transport: SshTransport) -> None:
    error = await _fails(transport, NodeSpec("no-such-host.invalid", ssh=SshOptions(config_files=(os.devnull,))))
    assert error.problem in (Problem.NAME, Problem.UNREACHABLE)


async def test_nobody_listens(lab: Lab, transport: SshTransport) -> None:
    lab.configure("Host node\n  Port 1")
    assert (await _fails(transport, lab.spec("node"))).problem is Problem.REFUSED


async def test_through_a_jump_nobody_listens(lab: Lab, transport: SshTransport) -> None:
    lab.configure(f"Host jump\n  Port {lab.host('jump').port}\nHost node\n  Port 1\n  ProxyJump jump")
    error = await _fails(transport, lab.spec("node"))
    assert error.problem is Problem.REFUSED and "jump" in error.message


async def test_a_jump_host_that_refuses_is_named(lab: Lab, transport: SshTransport) -> None:
    lab.configure("Host jump\n  Port 1\nHost node\n  Port 2\n  ProxyJump jump")
    error = await _fails(transport, lab.spec("node"))
    assert error.problem is Problem.REFUSED and "jump host jump" in error.message


async def _silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def _web(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 400 Bad Request\r\n" * 2000)


async def _slams(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


@asynccontextmanager
async def _serving(
    handler: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[int]:
    server = await asyncio.start_server(handler, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@pytest.mark.parametrize(
    ("handler", "problem"), [(_silent, Problem.HUNG), (_web, Problem.REFUSED), (_slams, Problem.REFUSED)]
)
async def test_servers_that_are_none(
    lab: Lab,
    transport: SshTransport,
    handler: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
    problem: Problem,
) -> None:
    async with _serving(handler) as port:
        lab.configure(f"Host node\n  Port {port}\n  ConnectTimeout 2")
        error = await _fails(transport, lab.spec("node"))
    assert error.problem is problem and error.advice


async def _mail(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"220 mail.lab.example ESMTP\r\n")
    await reader.read()


async def test_of_another_service_it_is_not_said_that_it_says_nothing(lab: Lab, transport: SshTransport) -> None:
    async with _serving(_mail) as port:
        lab.configure(f"Host node\n  Port {port}\n  ConnectTimeout 2")
        error = await _fails(transport, lab.spec("node"))
    assert "no greeting of an SSH server came for 2 s" in error.message
    assert f"something else listens on port {port}" in error.advice


async def test_a_bad_ssh_config_is_told_with_its_line(lab: Lab, transport: SshTransport) -> None:
    lab.config.write_text("Host *\n  Port\n")
    assert f"{lab.config}:2" in (await _fails(transport, lab.spec("node"))).message


async def test_an_ssh_config_that_is_named_and_missing(lab: Lab, transport: SshTransport) -> None:
    lab.config.unlink()
    assert str(lab.config) in (await _fails(transport, lab.spec("node"))).message


async def test_a_proxy_command_is_followed(lab: Lab, transport: SshTransport) -> None:
    host = lab.host("node", known=False)
    lab.know(f"node {host.public_key}")
    bridge = lab.folder / "bridge"
    bridge.write_text(f"#!/bin/bash\nexec 3<>/dev/tcp/127.0.0.1/{host.port}\ncat <&3 & cat >&3\n")
    bridge.chmod(0o755)
    lab.configure(f"Host node\n  Port {host.port}\n  HostKeyAlias node\n  ProxyCommand {bridge} %h")
    await _echoes(transport, lab.spec("node"))


async def test_what_a_proxy_command_says_on_its_standard_error_breaks_nothing(
    lab: Lab, transport: SshTransport
) -> None:
    host = lab.host("node", known=False)
    lab.know(f"node {host.public_key}")
    bridge, pid = lab.folder / "bridge", lab.folder / "pid"
    bridge.write_text(
        f"#!/bin/bash\necho $$ > {pid}\n(while sleep 0.02; do echo warning >&2 || exit; done) &\n"
        f"exec 3<>/dev/tcp/127.0.0.1/{host.port}\ncat <&3 & cat >&3\n"
    )
    bridge.chmod(0o755)
    lab.configure(f"Host node\n  Port {host.port}\n  HostKeyAlias node\n  ProxyCommand {bridge} %h")
    heard = Heard()
    channel = await transport.start(lab.spec("node"), "sleep 0.3; echo still there; cat", heard)
    await heard.until(b"still there\n")
    await channel.close()
    await transport.close()
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


async def test_a_proxy_command_that_fails_is_told_with_its_own_words(lab: Lab, transport: SshTransport) -> None:
    lab.configure("Host node\n  HostKeyAlias node\n  ProxyCommand sh -c 'echo no such tunnel >&2; exit 1'")
    error = await _fails(transport, lab.spec("node"))
    assert error.problem is Problem.REFUSED
    assert "ProxyCommand" in error.message and error.message.endswith("greeting: no such tunnel")
    assert "echo no such tunnel" in error.advice


# -- what the tests above use


def _sign_for_the_past(lab: Lab, key: Path) -> None:
    """A user certificate that expired an hour ago."""
    signer = ["ssh-keygen", "-q", "-s", str(lab.folder / "user_ca"), "-I", "late", "-n", "root"]
    subprocess.run([*signer, "-V", "-2h:-1h", f"{key}.pub"], check=True, capture_output=True)


@pytest.fixture
def agent(lab: Lab) -> Iterator[str]:
    """The socket of an ssh-agent that holds the lab's key."""
    socket = str(lab.folder / "agent.sock")
    process = subprocess.Popen(
        [parts.program("ssh-agent", "openssh-client"), "-D", "-a", socket], stdout=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        process.stdout.readline()  # it prints its socket when it listens
        environment = {**os.environ, "SSH_AUTH_SOCK": socket}
        subprocess.run(["ssh-add", "-q", str(lab.folder / "id")], check=True, env=environment, capture_output=True)
        yield socket
    finally:
        process.terminate()
        process.wait(10)


def _bare(lab: Lab, identity: str) -> str:
    return (
        f"Host *\n  HostName 127.0.0.1\n  UserKnownHostsFile {lab.known_hosts}\n  GlobalKnownHostsFile none\n"
        f"  IdentityFile {lab.folder}/{identity}\n"
    )


def _user() -> str:
    return os.environ.get("USER") or subprocess.check_output(["id", "-un"], text=True).strip()


def _fingerprint(path: str) -> str:
    shown = subprocess.run(["ssh-keygen", "-lf", path], check=True, capture_output=True, text=True)
    return shown.stdout.split()[1]
