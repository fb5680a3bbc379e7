"""Programs that actions run on a node under its own python3: constants, to which data comes as arguments alone.

Standard library, Python 3.6 and newer. The first line of each says what it is to whoever sees it in a list of
processes; the demo's nodes know them by it.
"""

from __future__ import annotations

from watchfloor.change import Command, On, Place

# which process it is: pid, ticks from boot to its start, boot; and whose, in which cgroup. Prints one word.
_IDENTITY = """
import errno, os, pwd, signal, subprocess, sys, time
pid, start, boot, user, cgroup = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4], sys.argv[5]

def read(path):
    with open(path, errors="replace") as file:
        return file.read()

def stands():
    if read("/proc/sys/kernel/random/boot_id").strip() != boot:
        return "gone"
    try:
        fields = read("/proc/%d/stat" % pid).rpartition(")")[2].split()
        owner, groups = os.stat("/proc/%d" % pid).st_uid, read("/proc/%d/cgroup" % pid)
    except OSError:
        return "gone"
    if fields[19] != start or fields[0] in "ZXx":
        return "gone"
    try:
        name = pwd.getpwuid(owner).pw_name
    except KeyError:
        name = str(owner)
    if name != user and str(owner) != user:
        return "of %s" % name
    return "there" if cgroup in groups else "in another cgroup"
"""

LOOK = "# watchfloor looks for a process" + _IDENTITY + "print(stands())\n"

# ends it: SIGTERM, and SIGKILL when its time is over. 0: it is gone; 1: it can't be held; 3: it is another's; 4: it
# stays; 5: not permitted
END = (
    "# watchfloor ends a process"
    + _IDENTITY
    + """
grace, handle, unheld = float(sys.argv[6]), None, ""
if hasattr(os, "pidfd_open"):
    try:
        handle = os.pidfd_open(pid)
    except OSError as error:
        # Linux before 5.3 has no handles, and some sandboxes forbid them: then it goes by pid, as with an old Python
        if error.errno not in (errno.ENOSYS, errno.EPERM):
            unheld = error.strerror

def tell(number):
    if stands() != "there":
        return
    try:
        if handle is None:
            os.kill(pid, number)
        else:
            signal.pidfd_send_signal(handle, number)
    except ProcessLookupError:
        pass  # it has ended since the look
    except PermissionError:
        name = {15: "TERM", 9: "KILL"}[number]
        if subprocess.call(["sudo", "-n", "--", "kill", "-s", name, str(pid)], stdin=subprocess.DEVNULL):
            sys.stderr.write("no right to send signals to processes of %s, and no rule of sudo gives it\\n" % user)
            sys.exit(5)

def gone_within(seconds):
    until = time.monotonic() + seconds
    while stands() != "gone":
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True

now = stands()
if now != "there":
    print(now)
    sys.exit(0 if now == "gone" else 3)
if unheld:
    sys.exit("process %d can't be held, and is left alone: %s" % (pid, unheld))
tell(15)
if not gone_within(grace):
    tell(9)
    if not gone_within(5.0):
        print("it was killed, and stays")
        sys.exit(4)
print("gone")
"""
)

# runs commands, each within its time, and writes what they said to a file of the user's own: path, then their lines
GATHER = """# watchfloor keeps evidence
import hashlib, json, os, shlex, subprocess, sys, time
folder, name, seconds, kept = sys.argv[1], sys.argv[2], float(sys.argv[3]), int(sys.argv[4])
os.makedirs(folder, 0o700, exist_ok=True)
about = os.lstat(folder)
if about.st_uid != os.getuid() or os.path.islink(folder):
    sys.exit("%s is not a folder of this user's own" % folder)
told = []
for line in sys.argv[5:]:
    began = time.time()
    try:
        done = subprocess.run(shlex.split(line), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=seconds)
        status, text = done.returncode, done.stdout
    except subprocess.TimeoutExpired as error:
        status, text = "no end within %g s" % seconds, error.stdout or b""
    except OSError as error:
        status, text = error.strerror, b""
    digest = hashlib.sha256(text).hexdigest()
    told.append({"command": line, "status": status, "seconds": round(time.time() - began, 2), "sha256": digest,
                 "bytes": len(text), "text": text[:1 << 18].decode("utf-8", "replace")})
data = json.dumps(told, indent=1).encode()
path = os.path.join(folder, name)
with open(path + ".new", "wb") as file:
    file.write(data)
    file.flush()
    os.fsync(file.fileno())
os.rename(path + ".new", path)
print("%s  %s" % (hashlib.sha256(data).hexdigest(), path))
for one in told:
    print("%s: %s, %d bytes, sha256 %s" % (one["command"], one["status"], one["bytes"], one["sha256"]))
old = sorted((entry.stat().st_mtime, entry.path) for entry in os.scandir(folder) if entry.name.endswith(".json"))
for _, path in old[:-kept]:
    os.unlink(path)
if all(one["status"] != 0 for one in told):
    sys.exit(1)
"""

# until no probe has a file open whose name begins so, or the time is over. Of other users' probes only root can tell
AWAIT = """# watchfloor waits for its probes
import os, sys, time
devices, seconds, began = sys.argv[1], float(sys.argv[2]), time.monotonic()
mark = b"from probe.main" + b" import main"

def is_probe(pid):
    try:
        with open("/proc/%s/cmdline" % pid, "rb") as file:
            return mark in file.read()
    except OSError:
        return False

def holds(pid):
    folder = "/proc/%s/fd" % pid
    try:
        names = os.listdir(folder)
    except PermissionError:
        return None
    except OSError:
        return False
    for name in names:
        try:
            if os.readlink("%s/%s" % (folder, name)).startswith(devices):
                return True
        except OSError:
            pass
    return False

try:
    open("/proc/1/cmdline").close()
    unlisted = []
except OSError:
    unlisted = ["/proc doesn't list them"]
while True:
    found = {pid: holds(pid) for pid in os.listdir("/proc") if pid.isdigit() and is_probe(pid)}
    holding = [pid for pid, held in found.items() if held]
    hidden = unlisted + [pid for pid, held in found.items() if held is None]
    waited = time.monotonic() - began
    if not holding and not hidden or waited >= seconds:
        break
    time.sleep(0.1)
told = ["it is held by the probes %s" % ", ".join(holding)] if holding else ["no probe of this user holds it"]
told += ["those of other users can't be seen: %s" % ", ".join(hidden)] if hidden else []
print("after %.1f s %s" % (waited, "; ".join(told)))
"""

# one request to a server on the node: method, address, body
CALL = """# watchfloor asks a server
import sys, urllib.error, urllib.request
method, address, body = sys.argv[1:4]
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
request = urllib.request.Request(address, body.encode() if body else None, {"Content-Type": "application/json"})
request.get_method = lambda: method
try:
    print(opener.open(request, timeout=float(sys.argv[4])).read(1 << 20).decode("utf-8", "replace"))
except urllib.error.HTTPError as error:
    sys.exit("HTTP %d: %s" % (error.code, error.read(2000).decode("utf-8", "replace")))
except OSError as error:
    sys.exit(str(error))
"""


def program(node: str, text: str, *arguments: str, timeout_seconds: float = 30.0) -> Command:
    """One of these programs on a node."""
    return Command(Place(On.NODE, node), ("python3", "-c", text, *arguments), timeout_seconds=timeout_seconds)
