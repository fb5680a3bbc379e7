"""A real Kubernetes control plane on loopback: etcd, API server, controllers, scheduler. Its kubelets are stand-ins."""

from __future__ import annotations

import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import yaml

from tests.support.parts import program

_PATIENCE_SECONDS = 90.0
_USERS = {
    "admin": "/O=system:masters/CN=admin",
    "controllers": "/CN=system:kube-controller-manager",
    "scheduler": "/CN=system:kube-scheduler",
    "kubelet": "/O=system:masters/CN=kubelet",
    "viewer": "/O=viewers/CN=viewer",
    "stranger": "/CN=stranger",
}


class ControlPlane:
    """Started by `running`; `kubeconfig(user)` is a file for each of the users."""

    def __init__(self, folder: Path, binaries: Path) -> None:
        self.folder = folder
        self._binaries = binaries
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._port, self._etcd, self._peer, self._others = _free_ports(4)
        self.url = f"https://127.0.0.1:{self._port}"

    def kubeconfig(self, user: str) -> Path:
        return self.folder / f"{user}.kubeconfig"

    def context(self, user: str) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self.folder / "ca.crt")
        context.load_cert_chain(self.folder / f"{user}.crt", self.folder / f"{user}.key")
        return context

    def start(self) -> None:
        _certificates(self.folder)
        for user in _USERS:
            self._write_kubeconfig(user)
        etcd = f"http://127.0.0.1:{self._etcd}"
        peer = f"http://127.0.0.1:{self._peer}"
        self._run("etcd", program("etcd", "etcd-server"), f"--data-dir={self.folder / 'etcd'}",
                  f"--listen-client-urls={etcd}", f"--advertise-client-urls={etcd}", f"--listen-peer-urls={peer}",
                  f"--initial-advertise-peer-urls={peer}", f"--initial-cluster=default={peer}",
                  "--unsafe-no-fsync")  # fmt: skip
        self.start_server()
        for name, user, more in (
            ("kube-controller-manager", "controllers", [
                f"--service-account-private-key-file={self.folder / 'sa.key'}", "--node-monitor-period=1s",
                "--node-monitor-grace-period=6s", "--pod-eviction-timeout=2s",
                "--use-service-account-credentials=true", f"--root-ca-file={self.folder / 'ca.crt'}",
                f"--secure-port={self._others}",
                "--controllers=*,-nodeipam,-service,-route,-cloud-node-lifecycle"]),
            ("kube-scheduler", "scheduler", ["--secure-port=0"]),
        ):  # fmt: skip
            self._run(name, str(self._binaries / name), f"--kubeconfig={self.kubeconfig(user)}", "--port=0",
                      "--bind-address=127.0.0.1", f"--cert-dir={self.folder / 'run'}", "--leader-elect=false",
                      *more)  # fmt: skip

    def start_server(self) -> None:
        """The API server; again after `stop_server`."""
        pki = self.folder
        self._run("kube-apiserver", str(self._binaries / "kube-apiserver"),
                  f"--etcd-servers=http://127.0.0.1:{self._etcd}", "--bind-address=127.0.0.1",
                  "--advertise-address=127.0.0.1", f"--secure-port={self._port}",
                  f"--tls-cert-file={pki / 'server.crt'}", f"--tls-private-key-file={pki / 'server.key'}",
                  f"--client-ca-file={pki / 'ca.crt'}", "--service-account-issuer=https://lab",
                  f"--service-account-signing-key-file={pki / 'sa.key'}",
                  f"--service-account-key-file={pki / 'sa.key'}", "--service-cluster-ip-range=10.0.0.0/24",
                  "--authorization-mode=Node,RBAC", f"--cert-dir={pki / 'run'}", "--endpoint-reconciler-type=none",
                  "--disable-admission-plugins=ServiceAccount")  # fmt: skip
        self._wait_until_ready()

    def stop_server(self) -> None:
        process = self._processes.pop("kube-apiserver")
        process.kill()
        process.wait()

    def stop(self) -> None:
        for process in reversed(self._processes.values()):
            process.kill()
            process.wait()

    def _run(self, name: str, *command: str) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < deadline:
            assert self._processes["kube-apiserver"].poll() is None, self._log("kube-apiserver")
            try:
                with urllib.request.urlopen(f"{self.url}/readyz", context=self.context("admin"), timeout=5):
                    return
            except (OSError, urllib.error.URLError):
                time.sleep(0.1)  # between two questions, up to a deadline: the server tells nobody when it is ready
        raise AssertionError(self._log("kube-apiserver"))

    def _log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")[-2000:]

    def _write_kubeconfig(self, user: str) -> None:
        """Files beside it, by relative paths, as kubeadm and people write them."""
        told = {
            "apiVersion": "v1", "kind": "Config", "current-context": "lab",
            "clusters": [{"name": "lab", "cluster": {"server": self.url, "certificate-authority": "ca.crt"}}],
            "users": [{"name": user, "user": {"client-certificate": f"{user}.crt", "client-key": f"{user}.key"}}],
            "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": user}}],
        }  # fmt: skip
        self.kubeconfig(user).write_text(yaml.safe_dump(told))


@contextmanager
def running(folder: Path, binaries: Path) -> Iterator[ControlPlane]:
    plane = ControlPlane(folder, binaries)
    try:
        plane.start()
        yield plane
    finally:
        plane.stop()


def _free_ports(count: int) -> list[int]:
    with ExitStack() as taken:
        return [taken.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1] for _ in range(count)]


def _certificates(folder: Path) -> None:
    """A CA, the server's certificate, one for each user, and the key of service accounts."""
    (folder / "run").mkdir()
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    _openssl("req", "-x509", *curve, "-keyout", folder / "ca.key", "-out", folder / "ca.crt", "-subj", "/CN=lab-ca",
             "-days", "2")  # fmt: skip
    _openssl("genrsa", "-out", folder / "sa.key", "2048")
    for name, subject in {"server": "/CN=kube-apiserver", **_USERS}.items():
        extensions = folder / f"{name}.ext"
        extensions.write_text("keyUsage=digitalSignature\nextendedKeyUsage=serverAuth,clientAuth\n"
                              "subjectAltName=IP:127.0.0.1,DNS:localhost\n")  # fmt: skip
        _openssl("req", *curve, "-keyout", folder / f"{name}.key", "-subj", subject, "-out", folder / f"{name}.csr")
        _openssl("x509", "-req", "-in", folder / f"{name}.csr", "-CA", folder / "ca.crt", "-CAkey", folder / "ca.key",
                 "-CAcreateserial", "-days", "2", "-out", folder / f"{name}.crt", "-extfile", extensions)  # fmt: skip


def _openssl(*words: str | Path) -> None:
    subprocess.run([program("openssl", "openssl"), *map(str, words)], check=True, capture_output=True)
