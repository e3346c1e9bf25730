package peer_test

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"testing"

	"cupel.dev/cupel/internal/linux/peer"
)

const childVariable = "CUPEL_TEST_PEER_DIAL"

func TestMain(m *testing.M) {
	if address := os.Getenv(childVariable); address != "" {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			os.Exit(1)
		}
		_, _ = conn.Read(make([]byte, 1)) // until the test has looked
		return
	}
	os.Exit(m.Run())
}

// accept returns a connection that another process made, and that process's
// id.
func accept(t *testing.T, address string) (net.Conn, int) {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { l.Close() })
	child := exec.Command("/proc/self/exe")
	child.Env = []string{childVariable + "=" + l.Addr().String()}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	conn, err := l.Accept()
	t.Cleanup(func() { conn.Close(); _ = child.Wait() })
	if err != nil {
		t.Fatal(err)
	}
	return conn, child.Process.Pid
}

func TestOwnerIsTheProcessThatDialled(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		t.Run(address, func(t *testing.T) {
			one, pid := accept(t, address)
			got, err := peer.Owner(one.RemoteAddr().String(), one.LocalAddr().String())
			if err != nil || got.PID != pid || got.Start == 0 {
				t.Errorf("got %+v, %v; want process %d", got, err, pid)
			}
			two, _ := accept(t, address)
			other, err := peer.Owner(two.RemoteAddr().String(), two.LocalAddr().String())
			if err != nil || other == got {
				t.Errorf("another process is %+v, %v", other, err)
			}
		})
	}
}

func TestOwnerOfNoConnectionIsUnknown(t *testing.T) {
	if p, err := peer.Owner("127.0.0.1:1", "127.0.0.1:2"); !errors.Is(err, peer.ErrUnknown) {
		t.Errorf("got %+v, %v", p, err)
	}
	if _, err := peer.Owner("here", "127.0.0.1:2"); err == nil {
		t.Error("a peer that is no address was taken")
	}
}
