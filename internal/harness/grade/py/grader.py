# The grader's process: a loop that answers requests, each in a fork.
#
# A message, either way, is a length (four bytes), the length of a JSON object
# (four bytes), the object, and a blob that is the rest. Requests:
#   {"op": "hello"}             blob: the driver's source
#       -> {"version": sys.version}, blob: the driver compiled
#   {"op": "plan", ...task}     -> {"way": "data"}, blob: the plan
#                                  {"way": "in_process", "inverted": test}
#   {"op": "check", ...task}    blob: length and plan, then the answers
#       -> {"verdict": "passed" | "failed", "reason": ""}
#          {"verdict": "more"}, blob: the longer plan
# A task is form ("check" | "asserts"), setup, test, entry; a request that the
# grader can't serve is {"error": text}, with "again" where the machine was
# short of something. What a fork does not answer, because
# it was killed or took too long, is a failed check and never the end of the
# grader.
import gc
import json
import marshal
import os
import resource
import select
import signal
import sys
import time

CHECK_CPU = 10
CHECK_WALL = 20
CHECK_MEMORY = 512 << 20
MAX_TASKS = 4096


def _read_exactly(fd, n):
    parts = []
    while n:
        part = os.read(fd, min(n, 1 << 20))
        if not part:
            os._exit(0)
        parts.append(part)
        n -= len(part)
    return b"".join(parts)


def _write_all(fd, data):
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view):]


def _message(head, blob=b""):
    text = json.dumps(head).encode()
    return _n(4 + len(text) + len(blob)) + _n(len(text)) + text + blob


def _entries(data):
    """The fields of a plan."""
    found, at = [], 0
    while at < len(data):
        end = at + 4 + int.from_bytes(data[at:at + 4], "big")
        found.append(data[at + 4:end])
        at = end
    return found


def _joined(plan):
    return b"".join(_n(len(entry)) + entry for entry in plan)


def _answers(data):
    """The answers as the driver wrote them; anything else ends the list."""
    found, at = [], 0
    while at < len(data):
        status, fields = data[at:at + 1], []
        at += 1
        for _ in range(2):
            end = at + 4 + int.from_bytes(data[at:at + 4], "big")
            if end > len(data) or len(data) < at + 4:
                return found
            fields.append(data[at + 4:end])
            at = end
        if status not in (b"v", b"e", b"x"):
            return found
        found.append((status, fields[0], fields[1]))
    return found


def _plan(task):
    plan = task.plan([], [])
    if not plan:
        return _message({"way": "in_process", "inverted": invert_last(task.text)})
    return _message({"way": "data", "calls": len(plan)}, _joined(plan))


def _check(task, blob):
    length = int.from_bytes(blob[:4], "big")
    plan, answers = _entries(blob[4:4 + length]), _answers(blob[4 + length:])
    if len(answers) < len(plan):
        return _message({"verdict": "failed", "reason": "checks did not finish"})
    verdict, reason = task.check(plan, answers)
    if verdict != "more":
        return _message({"verdict": verdict, "reason": reason})
    longer = task.plan(plan, answers)
    if not longer or longer == plan:
        return _message({"verdict": "failed", "reason": "checks did not finish"})
    return _message({"verdict": "more", "reason": ""}, _joined(longer))


def _bounded():
    for name, value in ((resource.RLIMIT_CPU, CHECK_CPU), (resource.RLIMIT_AS, CHECK_MEMORY),
                        (resource.RLIMIT_CORE, 0)):
        try:
            resource.setrlimit(name, (value, value))
        except (ValueError, OSError):
            pass


def _forked():
    """os.fork(), tried for a while where the machine has no room."""
    for wait in (0.01, 0.1, 0.5, 1, 2):
        try:
            return os.fork()
        except OSError:
            time.sleep(wait)
    return os.fork()


def _in_fork(work, lost):
    """What work() answers in a fork of this process, or lost."""
    out, end = os.pipe()
    child = _forked()
    if child == 0:
        try:
            os.close(out)
            gc.disable()
            _bounded()
            _write_all(end, work())
            os._exit(0)
        except BaseException as error:
            try:
                sys.stderr.write("cupel grader: %s: %s\n" % (type(error).__name__, str(error)[:200]))
            finally:
                os._exit(1)
    os.close(end)
    parts, deadline, ready = [], time.monotonic() + CHECK_WALL, select.poll()
    ready.register(out, select.POLLIN)
    while True:
        if not ready.poll(max(0, (deadline - time.monotonic()) * 1000)):
            parts = []
            break
        part = os.read(out, 1 << 20)
        if not part:
            break
        parts.append(part)
    os.close(out)
    try:
        os.kill(child, signal.SIGKILL)
    except OSError:
        pass
    os.waitpid(child, 0)
    reply = b"".join(parts)
    if len(reply) < 8 or int.from_bytes(reply[:4], "big") != len(reply) - 4:
        return lost
    return reply


def _serve_one(request, blob, tasks):
    if request["op"] == "hello":
        code = compile(blob, "<cupel>", "exec", dont_inherit=True)
        return _message({"version": sys.version}, marshal.dumps(code))
    key = (request["form"], request["setup"], request["test"], request["entry"])
    task = tasks.get(key)
    if task is None:
        if len(tasks) >= MAX_TASKS:
            tasks.clear()
        task = tasks[key] = Task(*key)
    if request["op"] == "plan":
        return _in_fork(lambda: _plan(task), _message({"error": "planning did not finish"}))
    lost = _message({"verdict": "failed", "reason": "checks did not finish"})
    return _in_fork(lambda: _check(task, blob), lost)


def serve():
    """The loop. The message pipes move away from 0 and 1 first."""
    source, sink = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    sys.setrecursionlimit(5000)
    tasks = {}
    gc.freeze()
    while True:
        data = _read_exactly(source, int.from_bytes(_read_exactly(source, 4), "big"))
        end = 4 + int.from_bytes(data[:4], "big")
        try:
            reply = _serve_one(json.loads(data[4:end].decode()), data[end:], tasks)
        except OSError as error:
            reply = _message({"error": str(error), "again": True})
        except Exception as error:
            reply = _message({"error": "%s: %s" % (type(error).__name__, error)})
        _write_all(sink, reply)


serve()
