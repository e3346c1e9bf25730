# Takes hold of everything that neighbours could share, prints "ready", waits for
# the end of stdin, and says as JSON {name: outcome} what it could not take
# ("unavailable") and where it noticed a neighbour ("crossed").
import ctypes, fcntl, json, os, select, socket, struct, sys

libc = ctypes.CDLL(None, use_errno=True)
KEY = 0x43757065
SHARED = os.path.realpath("/etc/passwd")
keep = []


def need(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), "refused")
    return result


def abstract():
    s = socket.socket(socket.AF_UNIX)
    s.bind("\0cupel-enginetest")
    s.listen()
    keep.append(s)


def mq():
    f = getattr(libc, "mq_open", None) or ctypes.CDLL("librt.so.1", use_errno=True).mq_open
    need(f(b"/cupel-enginetest", 0o102, 0o666, None))


def port():
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("127.0.0.1", 27431))
    s.listen()
    keep.append(s)


def devshm():
    open("/dev/shm/cupel-enginetest", "w").close()


def flock():
    f = open(SHARED)
    fcntl.flock(f, fcntl.LOCK_EX)
    keep.append(f)


def posix_lock():
    f = open(SHARED)
    fcntl.lockf(f, fcntl.LOCK_SH)
    keep.append(f)


def locks():
    # A lock of an open file, on a range that nobody else would take.
    f = open(SHARED)
    fcntl.fcntl(f, 37, struct.pack("hhqqi4x", fcntl.F_RDLCK, 0, KEY, 1, 0))
    keep.append(f)


def inotify():
    fd = need(libc.inotify_init1(0o4000))
    need(libc.inotify_add_watch(fd, SHARED.encode(), 0x20 | 0x1))
    keep.append(fd)


hold = {
    "abstract": abstract,
    "shm": lambda: need(libc.shmget(KEY, 4096, 0o1666)),
    "msg": lambda: need(libc.msgget(KEY, 0o1666)),
    "sem": lambda: need(libc.semget(KEY, 1, 0o1666)),
    "mq": mq,
    "port": port,
    "devshm": devshm,
    "hostname": lambda: socket.sethostname("cupel-enginetest"),
    "flock": flock,
    "posix_lock": posix_lock,
    "locks": locks,
    # Last, so that it sees nothing of the holder itself.
    "inotify": inotify,
}
outcomes = {}
for name, take in hold.items():
    try:
        take()
        outcomes[name] = "apart"
    except (OSError, AttributeError):
        outcomes[name] = "unavailable"
print("ready", flush=True)
sys.stdin.read()
if outcomes["inotify"] == "apart" and select.select([keep[-1]], [], [], 0.2)[0]:
    outcomes["inotify"] = "crossed"
print(json.dumps(outcomes), flush=True)
