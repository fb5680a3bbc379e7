"""What to do about a finding: a sentence a code, for the page, the command and whoever writes a runbook."""

from __future__ import annotations

from collections.abc import Mapping

_TABLE = """
accelerator-lost | drain the node, then reset the board; if it stays away, power-cycle the node and check the seat
accelerator-count | look for the missing board in lspci and in the kernel's log; reboot, then open a hardware ticket
accelerator-untold | look for its address in the kernel's log; load its driver, or reset it; then open a ticket
recovery-action | drain the node, then do exactly what the driver asks for
row-remap-failed | take the board out of service and have it exchanged
row-remap-pending | reset the board when it is idle; work may go on until then
repair-pending | reset the board when it is idle
ecc-uncorrected | end or move what runs on this board, then reset it; watch whether the errors come back
ecc-corrected | watch it; have the memory diagnosed when the node is free
ecc-sram | drain it and run the vendor's diagnostics; several within days are a case for exchange
ecc-sram-corrected | watch it; have the board diagnosed when the node is free
sram-threshold | drain it and run the vendor's field diagnostics: this is what an exchange is granted for
pages-pending | reset the board when it is idle
pages-retired | plan its exchange: memory that fails keeps failing
fabric-not-joined | check the fabric manager (NVSwitch) or IMEX, and that no board is missing; then reset it
fabric-ill | look at the NVLinks of this board and its fellows, and at the fabric manager's log; reset it when idle
execution-errors | look into the application's log; the same device failing under other programs is a hardware case
pcie-replays | reseat the board or its riser; check for a slower link
pcie-downgrade | reseat the board; compare with its neighbours, and check the BIOS settings of the slot
persistence-off | start nvidia-persistenced, or `nvidia-smi -pm 1`
application-clock | find out who set it and why; `nvidia-smi -rac` takes it back
application-clock-memory | find out who set it and why; `nvidia-smi -rac` takes it back
nvlink-count | check the fabric manager and the NVSwitches; drain the node, reset its GPUs, then reboot
nvlink-speed | drain the node and reset its GPUs; where it stays slow, check its cables, then have it serviced
power-implausible | compare with its neighbours and the node's own meter; have its sensor and supply looked at
throttled | find out which protection it is: heat is a matter of cooling, a power brake one of the supply
throttle-time | check fans, airflow and the inlet temperature; several boards of a rack are a case for facilities
hardware-slowdown | check cooling and power supply of the node; drain it if it goes on
temp-margin | check cooling; lower the power limit until it is better
temp-high | check cooling; lower the power limit until it is better
temp-mem-high | check cooling; lower the power limit until it is better
xid-fatal | drain the node, then do what the chosen source says; collect nvidia-bug-report first
xid-application | tell the owner of the job; nothing is to be done to the node
xid-burst | look at the job: nothing is to be done to the nodes unless another XID comes
xid-repeated | stop resetting it: take it out of service and open a ticket
nvlink-down | drain the node and reset its GPUs; where it stays down, reboot, then have it serviced
xgmi-down | drain the node and reset its GPUs; where it stays down, have it serviced
ici-health | have the slice recreated elsewhere; report the host to the provider
ici-down | have the slice recreated elsewhere; report the host to the provider
neuronlink-down | restart the instance; where it stays down, replace it
gaudi-down | check the cable and the peer's port; reset the card when the node is drained
xelink-down | drain the node and reset its cards; where it stays down, have it serviced
ib-port-down | check cable, module and switch port; keep multi-node jobs away
roce-port-down | check cable, module and switch port; keep multi-node jobs away
ethernet-down | check cable, module and switch port
carrier-changes | check cable, module and switch port, and whether somebody worked on it
link-degradations | contact support: reseating has had its chance; keep multi-node jobs away
link-flapping | replace cable or module; keep multi-node jobs away until it is steady for hours
link-slow | reseat or replace cable or module; check what the switch negotiated
link-ber | clean or replace the cable or module; check signal integrity
ib-symbol-errors | replace the cable or module
ib-link-recovery | replace the cable or module
ib-link-downed | check cable and switch port, and whether somebody worked on it
ib-buffer-overrun | check flow control and credits of switch and adapter
ib-local-integrity | replace the cable or module
rdma-rnr-retries | look for a slow or stuck receiver
rdma-ack-timeouts | look for congestion or loss on the way
roce-slow-restarts | check PFC and ECN on the way: packets were lost
port-receive-errors | replace the cable or module
port-discards | look for congestion: check PFC, ECN and routes
link-crc-errors | watch it; where it grows, drain the node and reset its boards
link-replays | watch it; where it grows, drain the node and reset its boards
link-recoveries | drain the node and reset its boards
link-symbol-errors | watch it; where it grows, check the cable
link-fec-errors | clean or replace the cable or module
power-over-limit | read the limit back; restart the vendor's power daemon or the driver if it isn't obeyed
power-budget | lower the power limits of its boards, lowest priority first
rack-power-budget | lower the power limits in this rack, lowest priority first; from the second step on, all of them
rack-heat | call the people who cool the hall; cap the power of the rack meanwhile
inefficient | compare its temperature and limit with its neighbours'; clean it, then have it diagnosed
straggler | run a short test against its neighbours; exchange the node at the job's next checkpoint
job-straggler | mend the reason that it gives; have the job moved off it at its next checkpoint
idle-held | ask its user; where nobody answers, end the process that holds it
orphan-holder | ask its user, then end the process by its pid; where it doesn't end, drain the node and reboot it
orphan-process | end what is left of the job by its pids; where it doesn't end, drain the node and reboot it
unscheduled-process | ask its user; end it where the scheduler has given the board to somebody else
job-holds-unused | tell its user: ask for fewer, or look why ranks are missing; others wait for what it holds
job-on-drained-node | wait for it, or ask its user to checkpoint; the node is taken out of work when it has ended
job-on-faulty-node | have it requeued elsewhere from its last checkpoint, then do what the fault asks for
job-never-starts | tell its user; what can never start is to be changed or cancelled
memory-unowned | end or move what runs on this board, then reset it
unkillable | drain the node and reboot it; what hangs, and where, belongs in the ticket about its driver
zombies | find their parent and restart it; reboot the node where process ids run out
service-gone | ask whether it was meant to end; if not, look at its log and start it again
service-down | look at its log and at the node; restart it
service-overload | add a replica, or move requests away
sampler-hung | look at the driver: a call that hangs (state D) ends with a reset or a reboot
sampler-failed | run `watchfloor doctor {node}`: it says why
node-silent | check load and network of the node; the console keeps trying
node-clock-skew | check chrony or ntpd on the node
version-drift | bring the node to the version of its group
version-other-than-said | bring the node to the version that the fleet file names, or change the file
job-version-drift | start the job again from one image
incompatible-versions | do what its evidence says under `advice`: one of the two has to be exchanged
event-sxid | drain the nodes of this NVSwitch; check the fabric manager's log
event-mce | check the machine-check log; drain the node where it is uncorrected
event-oom | tell the owner of the job: it needs more memory, or less of it on one node
event-hang | look at what hangs; reset the device or reboot the node where it doesn't end
event-lost | drain the node, then power-cycle it; check seating and cables
event-ecc | end or move what runs on this device, then reset it; watch whether the errors come back
event-reset | find out why it was reset; the jobs on it are gone
event-pcie | reseat the device; check the slot
event-disk | exchange the disk
event-storage | check the file server and the way to it
event-cable | clean or replace the cable or module
event-driver | look at what the driver says before and after it; reload it or reboot the node where it stays
event-health | look at the adapter's own log; update its firmware, or exchange it where it comes back
event-oops | reboot the node when it is drained; report it with the log
event-page-fault | tell the owner of the job: a kernel of theirs reached beyond its memory
event-power | check the power supply and its cables
event-rdma | look at the port and the fabric around it; reset the adapter where it stays
event-segfault | tell the owner of the job: the program crashed; nothing is to be done to the node
event-thermal | check fans, airflow and the inlet temperature
event-memory-lost | restart the jobs that ran on it: what was in its memory is gone
event-panic | collect the crash dump; drain the node
"""
ADVICE: Mapping[str, str] = {
    code.strip(): text.strip() for code, _, text in (line.partition("|") for line in _TABLE.strip().splitlines())
}
_SERVICE = "`systemctl status` and its journal on the node say why; restart it, and see whether it stays up"
_NODE = "run `watchfloor doctor {node}`: it says what works and what to do"


def advice(code: str, node: str) -> str:
    """What to do about a finding of this code on this node, "" where there is nothing to add."""
    return _words(code).replace("{node}", node)


def _words(code: str) -> str:
    if code in ADVICE:
        return ADVICE[code]
    if code.endswith(("-failed", "-stopped")):
        return _SERVICE
    return _NODE if code.startswith("node-") else ""
