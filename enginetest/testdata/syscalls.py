# Makes every system call that a sandbox must refuse, with arguments that are
# valid, so that only a refusal makes it fail, and prints {name: errno} as JSON.
# "ok" is a call that succeeded, "absent" one this architecture doesn't have.
import ctypes, errno, fcntl, json, os, platform, signal, socket, stat, struct, sys

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
x86 = platform.machine() == "x86_64"
out = {}


def record(name, result):
    out[name] = "ok" if result >= 0 else errno.errorcode.get(ctypes.get_errno(), str(ctypes.get_errno()))


def call(name, x86_64, arm64, *args):
    nr = x86_64 if x86 else arm64
    if nr is None:
        out[name] = "absent"
        return
    ctypes.set_errno(0)
    fixed = [ctypes.c_long(a) if isinstance(a, int) else a for a in args]
    record(name, libc.syscall(ctypes.c_long(nr), *fixed))


def attempt(name, f):
    try:
        f()
        out[name] = "ok"
    except OSError as e:
        out[name] = errno.errorcode.get(e.errno, str(e.errno))


def in_child(name, f):
    """f may kill, or return in a child of its own."""
    r, w = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            f()
            os.write(w, json.dumps(out[name]).encode())
        finally:
            os._exit(0)
    os.close(w)
    got = os.read(r, 100)
    os.close(r)
    _, status = os.waitpid(pid, 0)
    out[name] = "killed" if os.WIFSIGNALED(status) else json.loads(got or b'"nothing"')


buf = ctypes.create_string_buffer
NEWUSER, NEWNS, NEWNET = 0x10000000, 0x20000, 0x40000000
os.makedirs("/tmp/m", exist_ok=True)

in_child("mount", lambda: call("mount", 165, 40, b"none", b"/tmp/m", b"tmpfs", 0, None))
in_child("remount", lambda: call("remount", 165, 40, b"none", b"/", None, 0x20 | 0x1000, None))
in_child("umount2", lambda: call("umount2", 166, 39, b"/tmp", 2))
in_child("pivot_root", lambda: call("pivot_root", 155, 41, b"/tmp", b"/tmp/m"))
in_child("open_tree", lambda: call("open_tree", 428, 428, -100, b"/tmp", 1))
in_child("fsopen", lambda: call("fsopen", 430, 430, b"tmpfs", 0))
in_child("move_mount", lambda: call("move_mount", 429, 429, -100, b"/tmp", -100, b"/tmp/m", 0))
in_child("mount_setattr", lambda: call("mount_setattr", 442, 442, -100, b"/tmp", 0, buf(struct.pack("QQQQ", 2, 0, 0, 0)), 32))

in_child("unshare_user", lambda: call("unshare_user", 272, 97, NEWUSER))
in_child("unshare_mnt", lambda: call("unshare_mnt", 272, 97, NEWNS))
in_child("unshare_net", lambda: call("unshare_net", 272, 97, NEWNET))


def clone_newuser():
    nr = 56 if x86 else 220
    ctypes.set_errno(0)
    pid = libc.syscall(ctypes.c_long(nr), ctypes.c_long(NEWUSER | signal.SIGCHLD), None, None, None, None)
    if pid == 0:
        os._exit(0)
    record("clone_newuser", pid)


in_child("clone_newuser", clone_newuser)


def setns():
    try:
        fd = os.open("/proc/self/ns/net", os.O_RDONLY)
    except OSError as e:
        out["setns"] = "EPERM"
        return
    call("setns", 308, 268, fd, 0)


in_child("setns", setns)
# No arguments at all: a kernel that has the call answers EINVAL, and makes nothing.
in_child("clone3", lambda: call("clone3", 435, 435, None, 0))
in_child("unknown", lambda: call("unknown", 1999, 1999))

in_child("bpf", lambda: call("bpf", 321, 280, 0, buf(struct.pack("IIII", 2, 4, 4, 1) + bytes(112)), 128))
perf = struct.pack("IIQ", 1, 128, 1) + bytes(24) + struct.pack("Q", 0x61) + bytes(80)
in_child("perf_event_open", lambda: call("perf_event_open", 298, 241, buf(perf), 0, -1, -1, 0))
in_child("io_uring_setup", lambda: call("io_uring_setup", 425, 425, 1, buf(120)))
in_child("keyctl", lambda: call("keyctl", 250, 219, 0, -3, 1, 0, 0))
in_child("add_key", lambda: call("add_key", 248, 217, b"user", b"cupel", b"x", 1, -2))
in_child("request_key", lambda: call("request_key", 249, 218, b"user", b"cupel", None, -2))
in_child("userfaultfd", lambda: call("userfaultfd", 323, 282, 1))


def by_handle():
    handle = buf(struct.pack("Ii", 120, 0) + bytes(120))
    mount = ctypes.c_int()
    nr = 303 if x86 else 264
    if libc.syscall(ctypes.c_long(nr), ctypes.c_long(-100), b"/tmp", handle, ctypes.byref(mount), ctypes.c_long(0)) < 0:
        struct.pack_into("Ii", handle, 0, 8, 1)
    fd = os.open("/tmp", os.O_RDONLY)
    call("open_by_handle_at", 304, 265, fd, handle, 0)


in_child("open_by_handle_at", by_handle)

local = buf(8)
iov = buf(struct.pack("QQ", ctypes.addressof(local), 8))
remote = buf(struct.pack("QQ", 0x400000, 8))
in_child("ptrace_init", lambda: call("ptrace_init", 101, 117, 0x4206, 1, 0, 0))
in_child("process_vm_readv_init", lambda: call("process_vm_readv_init", 310, 270, 1, iov, 1, remote, 1, 0))
in_child("process_vm_writev_init", lambda: call("process_vm_writev_init", 311, 271, 1, iov, 1, remote, 1, 0))
in_child("kcmp_init", lambda: call("kcmp_init", 312, 272, 1, os.getpid(), 0, 0, 0))


def getfd():
    ctypes.set_errno(0)
    fd = libc.syscall(ctypes.c_long(434), ctypes.c_long(1), ctypes.c_long(0))
    if fd < 0:
        record("pidfd_getfd_init", fd)
        return
    worst = "EPERM"
    for n in range(16):
        call("pidfd_getfd_init", 438, 438, fd, n, 0)
        if out["pidfd_getfd_init"] == "ok":
            worst = "ok"
    out["pidfd_getfd_init"] = worst


in_child("pidfd_getfd_init", getfd)

in_child("init_module", lambda: call("init_module", 175, 105, buf(64), 64, b""))
in_child("finit_module", lambda: call("finit_module", 313, 273, os.open("/tmp", os.O_RDONLY), b"", 0))
in_child("delete_module", lambda: call("delete_module", 176, 106, b"cupel_none", 0o4000))
in_child("kexec_load", lambda: call("kexec_load", 246, 104, 0, 0, None, 0))
# The wrong magic: where reboot is allowed, it answers EINVAL and does nothing.
in_child("reboot", lambda: call("reboot", 169, 142, 0, 0, 0, None))
in_child("swapon", lambda: call("swapon", 167, 224, b"/tmp/none", 0))
in_child("acct", lambda: call("acct", 163, 89, b"/tmp/none"))
in_child("quotactl", lambda: call("quotactl", 179, 60, 0x80000700, b"/dev/none", 0, buf(128)))

# Out of range: allowed, they answer EINVAL or EFAULT and set nothing.
in_child("settimeofday", lambda: call("settimeofday", 164, 170, buf(struct.pack("qq", 0, 2000000)), None))
in_child("clock_settime", lambda: call("clock_settime", 227, 112, 0, buf(struct.pack("qq", 0, 2000000000))))
in_child("adjtimex", lambda: call("adjtimex", 159, 171, buf(struct.pack("I", 0x1) + bytes(204))))
in_child("sethostname", lambda: call("sethostname", 170, 161, b"cupel-enginetest", 16))
in_child("setdomainname", lambda: call("setdomainname", 171, 162, b"cupel-enginetest", 16))

attempt("mknod_block", lambda: os.mknod("/tmp/block", stat.S_IFBLK | 0o666, os.makedev(8, 0)))
attempt("mknod_char", lambda: os.mknod("/tmp/char", stat.S_IFCHR | 0o666, os.makedev(1, 1)))

in_child("x32", lambda: call("x32", 0x40000000 + 39, None))


def tiocsti():
    tried = 0
    for fd in (0, 1, 2):
        fcntl.ioctl(fd, 0x5412, b"x")
    out["tiocsti"] = "ok"


def tiocsti_pty():
    try:
        master, slave = os.openpty()
    except OSError:
        return tiocsti()
    os.setsid()
    fcntl.ioctl(slave, 0x540E, 0)
    fcntl.ioctl(slave, 0x5412, b"x")


attempt_out = {}
in_child("tiocsti", lambda: attempt("tiocsti", tiocsti_pty))

NETLINK_NETFILTER = 12
for name, args in {
    "packet": (17, socket.SOCK_RAW, 0x0300),
    "raw": (socket.AF_INET, socket.SOCK_RAW, 1),
    "vsock": (40, socket.SOCK_STREAM, 0),
    "alg": (38, socket.SOCK_SEQPACKET, 0),
    "bluetooth": (31, socket.SOCK_RAW, 1),
    "key": (15, socket.SOCK_RAW, 2),
    "netlink_netfilter": (16, socket.SOCK_RAW, NETLINK_NETFILTER),
    "sctp": (socket.AF_INET, socket.SOCK_STREAM, 132),
}.items():
    attempt(name, lambda: socket.socket(*args).close())

json.dump(out, sys.stdout)
