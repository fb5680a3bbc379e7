"""The program rdma of iproute2: its links, and its statistics as JSON."""

from __future__ import annotations

import json
import re
from typing import Any

from collectors.captures import Capture, Refused

MATCHES = "rdma link, rdma -j link, rdma -j statistic"

_LINK = re.compile(r"^link (?P<device>[\w.-]+)/(?P<port>\d+) (?P<rest>.*\bstate \w+.*)$", re.MULTILINE)
# names of mlx5 and of ionic
_COUNTERS = {
    "rnr_nak_retry_err": "rdma.rnr_nak_retry",
    "req_rx_rnr_retry_err": "rdma.rnr_nak_retry",
    "local_ack_timeout_err": "rdma.ack_timeout",
    "req_tx_retry_excd_err": "rdma.ack_timeout",
    "out_of_sequence": "rdma.out_of_sequence",
    "resp_rx_outouf_seq": "rdma.out_of_sequence",
    "roce_slow_restart": "roce.slow_restart",
    "np_cnp_sent": "roce.cnp",
    "tx_rdma_cnp_pkts": "roce.cnp",
}


def matches(name: str, head: str) -> bool:
    return bool(_LINK.search(head)) or (head.lstrip().startswith("[") and '"ifname"' in head and '"port"' in head)


def read(name: str, text: str) -> Capture:
    if text.lstrip().startswith("["):
        rows = _from_json(text)
    else:
        rows = [_words(found["device"], int(found["port"]), found["rest"]) for found in _LINK.finditer(text)]
    links = {f"ib:{row['name']}": row for row in rows if len(row) > 1}
    if not links:
        raise Refused("an output of rdma without links or counters that have a column")
    return Capture("rdma", {"link": links})


def _words(device: str, port: int, rest: str) -> dict[str, Any]:
    words = rest.split()
    told = dict(zip(words[::2], words[1::2], strict=False))
    return _link({"ifname": device, "port": port, **told})


def _from_json(text: str) -> list[dict[str, Any]]:
    try:
        return [_link(row) for row in json.loads(text) if isinstance(row, dict) and "ifname" in row]
    except ValueError as error:
        raise Refused(f"an output of rdma, torn: {error}") from error


def _link(told: dict[str, Any]) -> dict[str, Any]:
    row: dict[str, Any] = {"name": f"{told['ifname']}/{told.get('port', 1)}"}
    if "state" in told:
        row.update(up=int(told["state"] == "ACTIVE"))
    if "physical_state" in told:
        row.update(phys=told["physical_state"])
    if "netdev" in told:
        row.update(kind="infiniband" if str(told["netdev"]).startswith("ib") else "roce")
    row.update({metric: told[counter] for counter, metric in _COUNTERS.items() if isinstance(told.get(counter), int)})
    return row
