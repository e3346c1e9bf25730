# The driver: this process reads requests and watches a kernel, a second
# process that runs the cells. The package's documentation has the protocol,
# message by message. What is needed of Python's library is imported above.

CONFIG = json.loads(sys.argv[1])
MAX_OUTPUT = CONFIG["max_output"]
MAX_MESSAGE = 4 * MAX_OUTPUT + (64 << 10)
GRACE = CONFIG["grace"]


class Cell:
    """What is known of the cell that runs."""

    def __init__(self, ident):
        self.id = ident
        self.text = bytearray()
        self.result = self.error = None
        self.rich = []
        self.rich_size = 0
        self.truncated = False
        self.listening = True

    def stream(self, data):
        if not self.listening:
            return
        room = MAX_OUTPUT - len(self.text)
        self.truncated = self.truncated or len(data) > room
        self.text += data[:room]

    def show(self, bundle):
        try:
            size = len(json.dumps(bundle, allow_nan=False))
        except Exception:
            size = MAX_OUTPUT
        if self.rich_size + size > MAX_OUTPUT:
            self.truncated = True
            return
        self.rich_size += size
        self.rich.append(bundle)

    def cut(self, s):
        if s is None:
            return None
        if len(s) > MAX_OUTPUT // 8:
            self.truncated = True
            return s[: MAX_OUTPUT // 8]
        return s

    def reply(self, timed_out, died):
        return {
            "id": self.id, "text": base64.b64encode(bytes(self.text)).decode(),
            "result": self.cut(self.result), "error": self.cut(self.error), "rich": self.rich,
            "timed_out": timed_out, "died": died, "truncated": self.truncated,
        }


class OwnKernel:
    """A kernel of our own: a forked child with a control socket, and one pipe
    for all that the cells write, so that its order is kept."""

    name = "cupel"

    def __init__(self):
        self.control, theirs = socket.socketpair()
        self.output, stream = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                self.control.close()
                os.close(self.output)
                serve(theirs, stream)
            finally:
                os._exit(1)
        theirs.close()
        os.close(stream)
        os.set_blocking(self.output, False)
        self.control.setblocking(False)
        self.buffer = bytearray()
        self.open = True
        self.poller = select.poll()
        self.poller.register(self.output, select.POLLIN)
        self.poller.register(self.control, select.POLLIN)
        try:
            self.poller.register(os.pidfd_open(self.pid), select.POLLIN)
        except (AttributeError, OSError):
            pass  # its end is seen when its channel closes, or within a second

    def begin(self, cell, code):
        message = json.dumps({"id": cell.id, "code": code}).encode() + b"\n"
        self.control.setblocking(True)
        try:
            self.control.sendall(message)
        except OSError:
            pass  # it is dead, and advance will see it
        self.control.setblocking(False)

    def advance(self, cell):
        """Takes in what there is. True when the cell has ended."""
        try:
            return self.hear(cell)
        finally:
            if self.open:
                self.listen(cell)

    def listen(self, cell):
        for _ in range(1024):  # whoever writes for ever has to wait, not we
            try:
                data = os.read(self.output, 1 << 16)
            except BlockingIOError:
                return
            if not data:
                self.poller.unregister(self.output)
                self.open = False
                return
            if cell:
                cell.stream(data)

    def hear(self, cell):
        try:
            data = self.control.recv(1 << 20)
        except BlockingIOError:
            # A process that a cell left may hold the channel open.
            if os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                raise Died(self.obituary())
            return False
        except OSError:
            data = b""
        if not data or len(self.buffer) + len(data) > MAX_MESSAGE:
            raise Died(self.obituary())
        self.buffer += data
        while b"\n" in self.buffer:
            line, _, rest = self.buffer.partition(b"\n")
            self.buffer = rest
            try:
                message = json.loads(line.decode())
                if cell is None or message["id"] != cell.id:
                    continue
                for key in ("result", "error"):
                    if isinstance(message[key], str):
                        setattr(cell, key, message[key])
                for bundle in message["rich"]:
                    cell.show(dict(bundle))
                cell.truncated = cell.truncated or bool(message["truncated"])
                return True
            except (ValueError, KeyError, TypeError):
                raise Died("the cell broke the kernel's own channel")
        return False

    def obituary(self):
        """How the kernel ended, which it has or soon will."""
        for _ in range(20):
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:
                break
            if pid:
                if os.WIFSIGNALED(status):
                    return "signal %d" % os.WTERMSIG(status)
                return "exit status %d" % os.WEXITSTATUS(status)
            time.sleep(0.01)
        return "its channel was closed"

    def interrupt(self):
        try:
            os.killpg(self.pid, signal.SIGINT)
        except OSError:
            pass

    def kill(self):
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except OSError:
            pass


class RealKernel:
    """The image's own ipykernel, spoken to over sockets in a directory."""

    name = "ipykernel"

    def __init__(self):
        import tempfile

        import ipykernel  # noqa: F401, to see whether it is there
        import zmq
        from jupyter_client import KernelManager

        place = tempfile.mkdtemp(prefix="kernel_")
        os.environ.setdefault("IPYTHONDIR", place)
        os.environ["JUPYTER_RUNTIME_DIR"] = place
        self.manager = KernelManager(transport="ipc", connection_file=place + "/connection.json", ip=place + "/ipc")
        null = open(os.devnull, "r+b")
        self.manager.start_kernel(stdin=null, stdout=null, stderr=null)
        self.client = self.manager.client()
        self.client.start_channels()
        try:
            self.client.wait_for_ready(timeout=20)
        except BaseException:
            self.manager.shutdown_kernel(now=True)
            raise
        self.iopub = self.client.iopub_channel.socket
        self.poller = zmq.Poller()
        self.poller.register(self.iopub, zmq.POLLIN)
        self.request = None

    def begin(self, cell, code):
        self.request = self.client.execute(code, allow_stdin=False)

    def advance(self, cell):
        import queue

        while True:
            try:
                message = self.client.get_iopub_msg(timeout=0)
            except queue.Empty:
                break
            if cell and message["parent_header"].get("msg_id") == self.request:
                if self.take(cell, message["msg_type"], message["content"]):
                    self.forget_replies()
                    return True
        if not self.manager.is_alive():
            status = getattr(self.manager.provisioner, "process", None)
            code = status.poll() if status else None
            if code is None:
                raise Died("it is gone")
            raise Died("signal %d" % -code if code < 0 else "exit status %d" % code)
        return False

    def take(self, cell, kind, content):
        if kind == "stream":
            cell.stream(content["text"].encode("utf-8", "replace"))
        elif kind == "execute_result":
            cell.result = content["data"].get("text/plain", "")
            if set(content["data"]) - {"text/plain"}:
                cell.show(content["data"])
        elif kind == "display_data":
            cell.show(content["data"])
        elif kind == "error":
            cell.error = "\n".join(content.get("traceback", []))
        return kind == "status" and content["execution_state"] == "idle"

    def forget_replies(self):
        import queue

        try:
            while True:
                self.client.get_shell_msg(timeout=0)
        except queue.Empty:
            pass

    def interrupt(self):
        self.manager.interrupt_kernel()

    def kill(self):
        self.manager.shutdown_kernel(now=True)


class Died(Exception):
    """The kernel is dead or past use; the text says how."""


class Driver:
    def __init__(self, kernel):
        self.kernel = kernel
        self.buffer = bytearray()
        self.requests = []
        self.kernel.poller.register(0, select.POLLIN)

    def hear(self):
        """Reads requests; the end of them is the end of us."""
        data = os.read(0, 1 << 20)
        if not data:
            self.kernel.kill()
            os._exit(0)
        self.buffer += data
        if b"\n" in data:
            *lines, self.buffer = self.buffer.split(b"\n")
            self.requests += [json.loads(line.decode()) for line in lines]

    def poll(self, wait):
        for fd, _ in self.kernel.poller.poll(wait):
            if fd == 0:
                self.hear()

    def loop(self):
        while True:
            while not self.requests:
                self.poll(1000)
                try:
                    self.kernel.advance(None)
                except Died:
                    os._exit(0)  # the host starts us anew for the next cell
            request = self.requests.pop(0)
            if "code" in request:
                self.run(request)

    def run(self, request):
        cell = Cell(request["id"])
        timed_out, died = False, None
        try:
            self.kernel.begin(cell, request["code"])
            timed_out = self.watch(cell, request.get("timeout"))
        except Died as death:
            died, timed_out = str(death), getattr(death, "timed_out", False)
        say(cell.reply(timed_out, died))
        if died is not None:
            self.kernel.kill()
            os._exit(0)

    def watch(self, cell, limit):
        """Waits for the cell's end, and brings it about when time is up or the
        host asks. True when time was up."""
        ends = time.monotonic() + limit if limit else None
        stopping = timed_out = False
        while not self.kernel.advance(cell):
            now = time.monotonic()
            late = ends is not None and now >= ends
            if stopping and late:
                death = Died("it did not stop")
                death.timed_out = timed_out
                raise death
            asked = any(r.get("interrupt") == cell.id for r in self.requests)
            if not stopping and (late or asked):
                stopping, timed_out = True, not asked
                cell.listening = False
                ends = now + GRACE
                self.kernel.interrupt()
            self.poll(1000 if ends is None else min(1000, max(0, ends - now) * 1000 + 1))
        return timed_out


def say(message):
    data = json.dumps(message).encode() + b"\n"
    while data:
        data = data[os.write(1, data):]


def choose():
    """The image's own kernel, else ours."""
    try:
        return RealKernel()
    except ImportError:
        return None
    except Exception as e:
        sys.stderr.write("ipykernel does not start: %s\n" % e)
        return None


def main():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    kernel = choose() or OwnKernel()
    say({"ready": kernel.name, "python": "%d.%d.%d" % sys.version_info[:3]})
    Driver(kernel).loop()


main()
