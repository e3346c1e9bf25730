//go:build linux

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// The published Python client does everything that it can do: creates, lists,
// inspects, runs every tool, puts a folder, uses a pool with 200 calls at once,
// stops, deletes, leaves. The values are the same on our server and, but for
// what the script names, on the original with a real Docker daemon. Nothing is
// left on the machine.
func TestEnclaveClient(t *testing.T) {
	v := python(t, "client")
	const secondImage = "second:1"
	second := shared(t, rootfsWithLink(t, "rootfs-second.tar", "cupel-second-image", "true"))
	uids := map[string]int{"cupel": os.Geteuid()}
	if os.Geteuid() == 0 {
		uids["cupel of a plain user"] = plainUser
	}
	for name, uid := range uids {
		t.Run(name, func(t *testing.T) {
			before := lookAround(t)
			user := as(t, uid)
			s := startCupel(t, user, "--image="+enclaveImage+"="+pythonImage(t), "--image="+secondImage+"="+second, "--image=jupyter-kernel-gateway="+pythonImage(t))
			idle := len(descendants(t))
			args := []string{s.url, secondImage}
			if uid != os.Geteuid() {
				args = append(args, "other-user")
			}
			steps(t, as(t, os.Geteuid()), v, "client.py", args...)
			if now := descendants(t); len(now) > idle {
				t.Errorf("with no sandbox there are the processes %v, at first %d", now, idle)
			}
			s.stop(t)
			before.compare(t)
			left(t, user)
		})
	}
	t.Run("keys", func(t *testing.T) {
		const key = "a-key-for-tests-0123456789"
		me := as(t, os.Geteuid())
		steps(t, me, v, "key.py", startCupel(t, me, "--api-key="+key).url, key)
	})
	t.Run("original", func(t *testing.T) {
		me := as(t, os.Geteuid())
		d := startDockerWithBridge(t)
		d.importPython(t)
		steps(t, me, v, "client.py", startOriginal(t, d, v).url, secondImage, "original")
	})
}

// importPython gives the daemon the image that clients ask for by default. Its
// program ends when it is told to, so that a container stops at once.
func (d *daemon) importPython(t *testing.T) {
	t.Helper()
	d.do(t, "import", `--change=CMD ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 60 & wait; done"]`,
		"--change=ENV PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", pythonRootfs(t), enclaveImage)
}

// steps runs a script of testdata/python and makes each of its steps a subtest.
func steps(t *testing.T, h *host, v *venv, script string, args ...string) {
	t.Helper()
	file, err := filepath.Abs(filepath.Join("testdata", "python", script))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := h.command(ctx, t, v.program("python"), append([]string{"-B", file}, args...)...)
	cmd.Env = append(cmd.Env, "NO_PROXY=127.0.0.1", "no_proxy=127.0.0.1")
	out := run(t, cmd)
	ran := 0
	for dec := json.NewDecoder(bytes.NewReader([]byte(out.stdout))); dec.More(); ran++ {
		var s struct {
			Step, Problem string
			Seconds       float64
		}
		if err := dec.Decode(&s); err != nil {
			t.Fatalf("%v\n%s", err, clip(out.stdout))
		}
		t.Run(s.Step, func(t *testing.T) {
			t.Log(time.Duration(s.Seconds * float64(time.Second)).Round(time.Millisecond))
			if s.Problem != "" {
				t.Error(s.Problem)
			}
		})
	}
	if out.status != 0 || ran == 0 {
		t.Errorf("exit %d after %d steps\n%s\n%s", out.status, ran, clip(out.stdout), clip(out.stderr))
	}
}
