"""The conversation with the console: JSON lines in, JSON lines out, any number of commands at a time.

    in   do {id, operation, argv, stdin, timeout, env, path, path_behind, by}
         look {id, argv, stdin, timeout, env, path, path_behind}
         recall {id, operation} · acknowledge {id, operation}
    out  hands {version, boot, monotonic, host, user} · done {id, exit, out, err, seconds, note} · unheard {id}
         ok {id} · refused {id, text, transient, status}: surely nothing was begun · fault {text}

`by`: the monotonic time of this node after which the deed is not begun any more, so that no line that was long on its
way does anything. One thread; it ends when its standard input does.
"""

import hashlib
import json
import os
import selectors
import time

from . import detached
from .node import Node
from .shelf import DONE, RUNNING, UNHEARD
from .shelves import Shelves

VERSION = 1
MOST_AT_ONCE = 64
MOST_LINE = 8 * 1024 * 1024
_CHUNK = 1 << 16
_LOOK_SECONDS = 0.05  # at operations of somebody else, whose end nobody tells us
# where programs of operators lie that the shell of a command over SSH often doesn't know
_FOLDERS = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"]


def main(program="", node=None):
    """Until the standard input ends. `node`: another than the one on which it runs, as `Node` is one."""
    node = node or Node()
    hands = Hands(Shelves(node.environ), node)
    try:
        hands.say({"t": "hands", "version": VERSION, "boot": node.boot(), "monotonic": time.monotonic(),
                   "host": node.host(), "user": node.user(), "program": program})  # fmt: skip
        hands.run()
    except BrokenPipeError:  # the console has gone
        pass
    os._exit(0)


class Hands:
    def __init__(self, shelves, node):
        self._shelves = shelves
        self._node = node
        self._inputs = selectors.DefaultSelector()
        self._inputs.register(0, selectors.EVENT_READ)
        self._line = b""
        self._running = {}  # descriptor -> _Work
        self._awaited = []  # (id, operation) that somebody else carries out

    def say(self, message):
        data = json.dumps(message, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"
        while data:
            data = data[os.write(1, data) :]

    def run(self):
        while True:
            for key, _ in self._inputs.select(_LOOK_SECONDS if self._awaited else None):
                if key.fd != 0:
                    self._told(key.fd)
                elif not self._hear():
                    return
            self._look_at_awaited()

    def _hear(self):
        """What the console says; whether it is still there."""
        chunk = os.read(0, _CHUNK)
        lines = (self._line + chunk).split(b"\n")
        self._line = lines.pop()
        for line in lines:
            self._take(line)
        if len(self._line) > MOST_LINE:
            self.say({"t": "fault", "text": "a line of more than %d bytes" % MOST_LINE})
            return False
        return bool(chunk)

    def _take(self, line):
        message = json.loads(line.decode("utf-8"))
        answers = {"do": self._do, "look": self._look, "recall": self._recall, "acknowledge": self._acknowledge}
        try:
            answers[message["t"]](message)
        except OSError as error:
            self._refuse(message, "nothing can be kept on this node: %s" % (error.strerror or error), transient=True)

    def _refuse(self, message, text, transient=False, status=0):
        self.say({"t": "refused", "id": message["id"], "text": text, "transient": transient, "status": status})

    # -- do and look

    def _do(self, message):
        operation = message["operation"]
        state, intent, result = self._shelves.recall(operation)
        if state == UNHEARD:
            if self._late(message) or self._busy(message):
                return
            begun = self._shelves.begin(
                operation, {"boot": self._node.boot(), "at": time.time(), "deed": _digest(message)}
            )
            if begun is not None:
                self._begin(message, *begun)
                return
            state, intent, result = self._shelves.recall(operation)
        if intent is not None and intent["deed"] != _digest(message):
            self._refuse(message, "the operation %s is another deed: nothing was done" % operation)
        else:
            self._answer(message["id"], operation, (state, intent, result))

    def _late(self, message):
        if time.monotonic() <= message["by"]:
            return False
        self._refuse(message, "it came too late to be begun", transient=True)
        return True

    def _busy(self, message):
        if len(self._running) < MOST_AT_ONCE:
            return False
        self._refuse(message, "%d commands run on this node already" % MOST_AT_ONCE, transient=True)
        return True

    def _begin(self, message, shelf, lock):
        operation = message["operation"]

        def work():
            result = self._carried(message)
            try:
                if result.get("refused"):
                    shelf.withdraw(operation)
                else:
                    shelf.finish(operation, result)
            except OSError:  # the disk is full or gone: whoever still listens is told, nobody else will know
                pass
            return json.dumps(result).encode("ascii")

        try:
            if self._late(message):  # the disk took its time
                shelf.withdraw(operation)
                return
            try:
                self._start(message, work, lock, shelf.folder)
            except OSError as error:
                shelf.withdraw(operation)
                self._refuse(message, "no process can be made: %s" % error.strerror, transient=True)
        finally:
            os.close(lock)

    def _look(self, message):
        if self._busy(message):
            return
        try:
            self._start(message, lambda: json.dumps(self._carried(message)).encode("ascii"))
        except OSError as error:
            self._refuse(message, "no process can be made: %s" % error.strerror, transient=True)

    def _start(self, message, work, *kept):
        reader = detached.start(work, *kept)
        self._running[reader] = _Work(message["id"], message.get("operation", ""))
        self._inputs.register(reader, selectors.EVENT_READ)

    def _told(self, descriptor):
        work, chunk = self._running[descriptor], os.read(descriptor, _CHUNK)
        work.data += chunk
        if chunk:
            return
        self._inputs.unregister(descriptor)
        os.close(descriptor)
        del self._running[descriptor]
        if work.data:
            self._tell(work.id, json.loads(work.data.decode("ascii")))
        elif work.operation:
            self._answer(work.id, work.operation, self._shelves.recall(work.operation))
        else:
            self._tell(work.id, _unknown("what carried it out was killed"))

    def _carried(self, message):
        environ = self._node.environ
        environment = dict(environ, LC_ALL="C")
        environment.update(message["env"])
        folders = message["path"] + environ.get("PATH", "").split(os.pathsep) + message["path_behind"] + _FOLDERS
        environment["PATH"] = os.pathsep.join(dict.fromkeys(folder for folder in folders if folder))
        return self._node.carry(message["argv"], message["stdin"], message["timeout"], environment)

    # -- what came of it

    def _recall(self, message):
        self._answer(message["id"], message["operation"], self._shelves.recall(message["operation"]))

    def _acknowledge(self, message):
        self._shelves.acknowledge(message["operation"])
        self.say({"t": "ok", "id": message["id"]})

    def _answer(self, number, operation, found):
        state, intent, result = found
        if state == UNHEARD:
            self.say({"t": "unheard", "id": number})
        elif state == RUNNING:
            self._awaited.append((number, operation))
        elif state == DONE:
            self._tell(number, result)
        elif intent["boot"] != self._node.boot():
            self._tell(number, _unknown("the node was started anew since it was begun"))
        else:
            self._tell(number, _unknown("what carried it out was killed before it could note the end"))

    def _tell(self, number, result):
        if result.get("refused"):
            self.say({"t": "refused", "id": number, "text": result["refused"], "transient": result["transient"],
                      "status": result["exit"]})  # fmt: skip
        else:
            self.say(dict(result, t="done", id=number))

    def _look_at_awaited(self):
        awaited, self._awaited = self._awaited, []
        for number, operation in awaited:
            self._answer(number, operation, self._shelves.recall(operation))


class _Work:
    def __init__(self, number, operation):
        self.id = number
        self.operation = operation
        self.data = b""


def _unknown(note):
    return {"exit": None, "out": "", "err": "", "seconds": 0.0, "note": note}


def _digest(message):
    deed = [message["argv"], message["stdin"], message["env"], message["path"]]
    return hashlib.sha256(json.dumps(deed, sort_keys=True).encode("ascii")).hexdigest()
