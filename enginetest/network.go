package enginetest

import (
	"fmt"
	"net"
	"strings"

	"cupel.dev/cupel"
)

func networkRequirements() []requirement {
	return []requirement{
		{"none: loopback is the only interface", onlyLoopback},
		{"none: loopback works", loopbackWorks},
		{"none: nothing outside is reached", noRoute},
		{"none: the host's loopback is not reached", hostLoopback},
		{"host: the host's loopback is reached", hostNetwork},
	}
}

func onlyLoopback(c *check) {
	out := c.sh(c.sandbox(), `while read -r name rest; do case $name in *:*) echo "${name%%:*}";; esac; done < /proc/net/dev`).ok(c)
	out.says(c, "lo\n")
}

func loopbackWorks(c *check) {
	c.needPython()
	c.python(c.sandbox(), `import socket, threading
for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
    try: s = socket.create_server((host, 0), family=family)
    except OSError as e:
        if family == socket.AF_INET6: print("works"); continue
        raise
    def answer(s=s):
        a, _ = s.accept(); a.sendall(a.recv(10)[::-1]); a.close()
    threading.Thread(target=answer).start()
    k = socket.create_connection(s.getsockname()[:2], timeout=5)
    k.sendall(b"skrow"); print(k.recv(10).decode())`).ok(c).says(c, "works\nworks\n")
}

func noRoute(c *check) {
	c.needPython()
	out := c.python(c.sandbox(), `import socket, errno
for host in ("8.8.8.8", "169.254.169.254", "100.100.100.200", "10.0.0.1", "192.168.0.1", "172.17.0.1", "255.255.255.255", "224.0.0.1"):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        s = socket.socket(socket.AF_INET, kind); s.settimeout(2)
        try:
            s.connect((host, 53)); s.send(b"x"); print("reached", host, kind)
        except OSError as e:
            if e.errno not in (errno.ENETUNREACH, errno.EPERM, errno.EACCES, errno.EHOSTUNREACH): print(host, kind, e)
try:
    s = socket.socket(socket.AF_INET6, socket.SOCK_STREAM); s.settimeout(2); s.connect(("fd00:ec2::254", 80)); print("reached IPv6")
except OSError: pass
try: print("resolved", socket.getaddrinfo("example.com", 80))
except OSError: pass`).ok(c)
	out.says(c, "")
}

// listen serves a greeting on the host's loopback.
func (c *check) listen() int {
	c.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		c.Fatal(err)
	}
	c.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conn.Write([]byte("hello of the host"))
			conn.Close()
		}
	}()
	return l.Addr().(*net.TCPAddr).Port
}

const dial = `import socket, sys
try: print(socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=5).recv(100).decode())
except OSError as e: print("refused")`

func hostLoopback(c *check) {
	c.needPython()
	c.python(c.sandbox(), dial, fmt.Sprint(c.listen())).ok(c).says(c, "refused\n")
}

func hostNetwork(c *check) {
	c.needPython()
	sb := c.sandboxOrSkip(cupel.Spec{Network: cupel.NetworkHost})
	out := c.python(sb, dial, fmt.Sprint(c.listen())).ok(c)
	if !strings.Contains(out.stdout, "hello of the host") {
		c.Errorf("got %s", out)
	}
}
