//go:build linux

package e2e

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// server is an ms-enclave server under test, ours or the original.
type server struct {
	url string
	cmd *exec.Cmd
	log *lines
	// ended is closed when the process is gone.
	ended chan struct{}
	// graceful servers exit with status 0 when asked to end.
	graceful bool
}

// lines keep what a server wrote.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *lines) add(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.WriteString(line + "\n")
}

// enclaveImage is what the clients ask for by default.
const enclaveImage = "python:3.11-slim"

// serving is the line that cupel prints when it is ready.
var serving = regexp.MustCompile(`^cupel: serving (http://\S+)`)

// startCupel starts `cupel server` on a free port and waits until it is ready.
// With no image named, the default one is the rootfs.
func startCupel(t *testing.T, h *host, args ...string) *server {
	t.Helper()
	cupel := cupelBinary(t)
	all := []string{"server", "--host=127.0.0.1", "--port=0"}
	if !slices.ContainsFunc(args, func(a string) bool { return strings.HasPrefix(a, "--image") }) {
		all = append(all, "--image="+enclaveImage+"="+pythonImage(t))
	}
	s := &server{log: &lines{}, ended: make(chan struct{}), graceful: true}
	s.cmd = h.command(context.Background(), t, cupel, append(all, args...)...)
	s.start(t)
	url := make(chan string, 1)
	defer func() { t.Logf("cupel server is process %d", s.cmd.Process.Pid) }()
	s.follow(t, func(line string) {
		if m := serving.FindStringSubmatch(line); m != nil {
			url <- m[1]
		}
	})
	select {
	case s.url = <-url:
	case <-s.ended:
		t.Fatalf("cupel server ended: %v\n%s", s.cmd.ProcessState, clip(s.log.String()))
	case <-time.After(time.Minute):
		t.Fatalf("cupel server is not ready\n%s", clip(s.log.String()))
	}
	return s
}

// startOriginal starts the published ms-enclave server on a Docker daemon that
// has the default image.
func startOriginal(t *testing.T, d *daemon, v *venv, args ...string) *server {
	t.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := free.Addr().(*net.TCPAddr).Port
	free.Close()
	s := &server{url: fmt.Sprintf("http://127.0.0.1:%d", port), log: &lines{}, ended: make(chan struct{})}
	s.cmd = exec.Command(v.program("ms-enclave"), append([]string{"server", "--host=127.0.0.1", fmt.Sprintf("--port=%d", port)}, args...)...)
	s.cmd.Env = append(os.Environ(), "DOCKER_HOST="+d.socket)
	s.start(t)
	s.follow(t, func(string) {})
	for range 300 {
		if res, err := http.Get(s.url + "/health"); err == nil {
			res.Body.Close()
			return s
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatalf("the original does not answer\n%s", clip(s.log.String()))
	return nil
}

// start starts the process; it is stopped after the test.
func (s *server) start(t *testing.T) {
	t.Helper()
	t.Cleanup(func() { s.stop(t) })
}

// follow runs the process and gives each line it writes to each.
func (s *server) follow(t *testing.T, each func(line string)) {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	s.cmd.Stdout, s.cmd.Stderr = write, write
	err = s.cmd.Start()
	write.Close()
	if err != nil {
		read.Close()
		close(s.ended)
		t.Fatal(err)
	}
	go func() {
		defer read.Close()
		for r := bufio.NewReader(read); ; {
			line, err := r.ReadString('\n')
			if line != "" {
				s.log.add(strings.TrimSuffix(line, "\n"))
				each(line)
			}
			if err != nil {
				if err != io.EOF {
					s.log.add(err.Error())
				}
				return
			}
		}
	}()
	go func() {
		_ = s.cmd.Wait()
		close(s.ended)
	}()
}

// stop asks the server to end, as a service manager does; ours must exit with
// status 0 within half a minute. A server that ended before is no failure here.
func (s *server) stop(t *testing.T) {
	t.Helper()
	if s.cmd.Process == nil {
		return
	}
	select {
	case <-s.ended:
		return
	default:
	}
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.ended:
		if status := s.cmd.ProcessState.ExitCode(); s.graceful && status != 0 {
			t.Errorf("the server's exit status is %d\n%s", status, clip(s.log.String()))
		}
	case <-time.After(30 * time.Second):
		_ = s.cmd.Process.Kill()
		<-s.ended
		t.Errorf("the server did not end within 30 s of SIGTERM\n%s", clip(s.log.String()))
	}
}

// kill ends the server as the kernel or an operator may.
func (s *server) kill() {
	_ = s.cmd.Process.Kill()
	<-s.ended
}
