package enclave

import (
	"archive/tar"
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"cupel.dev/cupel"
	"cupel.dev/cupel/engines"
	"cupel.dev/cupel/internal/door"
	"cupel.dev/cupel/service"
)

// newNative is a server whose sandboxes are real, of this machine's own
// toolchains.
func newNative(t *testing.T, cfg Config) *world {
	t.Helper()
	svc := service.New(service.Config{Open: func(ctx context.Context, ref service.EngineRef) (cupel.Engine, error) {
		return engines.Open(ctx, ref.Name, ref.Config)
	}})
	h, err := svc.Create(t.Context(), service.EngineRef{Name: "native"})
	switch kind := cupel.KindOf(err); {
	case kind == cupel.Unsupported || kind == cupel.Unavailable:
		svc.Close()
		t.Skipf("the native engine doesn't work here: %v", err)
	case err != nil:
		t.Fatal(err)
	}
	h.Close()
	cfg.Service = svc
	cfg.Images = Images{{"python:3.11-slim", "host"}}
	if cfg.Door, err = door.New(door.Config{}); err != nil {
		t.Fatal(err)
	}
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Close()
		if err := svc.Close(); err != nil {
			t.Error(err)
		}
	})
	return &world{t: t, server: s, handler: s.Handler()}
}

func (w *world) run(id, tool string, params any) answer {
	w.t.Helper()
	return w.ask("POST", "/sandbox/tool/execute", map[string]any{"sandbox_id": id, "tool_name": tool, "parameters": params})
}

// gives expects a tool's result with the status and the output.
func (w *world) gives(a answer, status, output string) {
	w.t.Helper()
	if got, _ := a.field("output").(string); a.status != http.StatusOK || a.field("status") != status || !strings.Contains(got, output) {
		w.t.Errorf("%d %s, want status %q and output %q", a.status, a.text, status, output)
	}
}

func TestNativeSandbox(t *testing.T) {
	w := newNative(t, Config{})
	id := w.create("docker", map[string]any{
		"tools_config": []string{"python_executor", "shell_executor", "file_operation", "multi_code_executor"},
		"env_vars":     map[string]string{"GREETING": "hello"}, "extra_hosts": map[string]string{"far.example": "192.0.2.7"}, "command": "tail -f /dev/null",
	})
	w.gives(w.run(id, "python_executor", map[string]any{"code": "import os; print(os.getcwd(), os.environ['GREETING'], os.getuid())"}), "success", "/sandbox hello 0\n")
	w.gives(w.run(id, "python_executor", map[string]any{"code": "1/0"}), "error", "")
	w.gives(w.run(id, "shell_executor", map[string]any{"command": "echo kept > /opt/file; echo kept > here; cat /etc/hosts"}), "success", "192.0.2.7\tfar.example")
	w.gives(w.run(id, "shell_executor", map[string]any{"command": "cat /opt/file /sandbox/here"}), "success", "kept\nkept")
	w.gives(w.run(id, "file_operation", map[string]any{"operation": "read", "file_path": "/sandbox/here"}), "success", "kept")
	began := time.Now()
	w.gives(w.run(id, "shell_executor", map[string]any{"command": "sleep 60", "timeout": 1}), "timeout", "")
	if time.Since(began) > 30*time.Second {
		t.Error("a timeout of 1 s took much longer")
	}
	info := w.must("GET", "/sandbox/"+id, nil)
	about, _ := info.field("metadata").(map[string]any)["cupel"].(map[string]any)
	if about["image"] != "host" || about["isolation"] == "" || about["engine"] != "native" || !strings.Contains(info.text, "network bridge: none") {
		t.Errorf("metadata = %s", info.text)
	}

	var archive bytes.Buffer
	tw := tar.NewWriter(&archive)
	tw.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "a/b.txt", Mode: 0o644, Size: 4})
	tw.Write([]byte("tar!"))
	tw.Close()
	put := httptest.NewRequest(http.MethodPost, "/sandbox/"+id+"/archive?target_dir=/data/new", &archive)
	put.Header.Set("Content-Type", "application/x-tar")
	if a := w.send(put); a.status != http.StatusOK || a.field("ok") != true {
		t.Errorf("archive: %d %s", a.status, a.text)
	}
	w.gives(w.run(id, "shell_executor", map[string]any{"command": []string{"cat", "/data/new/a/b.txt"}}), "success", "tar!")
	bad := httptest.NewRequest(http.MethodPost, "/sandbox/"+id+"/archive?target_dir=/data", strings.NewReader("no tar at all"))
	bad.Header.Set("Content-Type", "application/x-tar")
	if a := w.send(bad); a.status != http.StatusBadRequest {
		t.Errorf("a broken archive: %d %s", a.status, a.text)
	}
	w.must("DELETE", "/sandbox/"+id, nil)
	if a := w.run(id, "shell_executor", map[string]any{"command": "true"}); a.status != http.StatusNotFound {
		t.Errorf("after DELETE: %d %s", a.status, a.text)
	}
}

func TestNativeCommandRunsBeside(t *testing.T) {
	w := newNative(t, Config{})
	id := w.create("docker", map[string]any{
		"tools_config": []string{"shell_executor"}, "command": []string{"sh", "-c", "echo started > /tmp/mark; exec sleep 600"},
	})
	deadline := time.Now().Add(30 * time.Second)
	for {
		a := w.run(id, "shell_executor", map[string]any{"command": "cat /tmp/mark"})
		if s, _ := a.field("output").(string); strings.Contains(s, "started") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the command didn't run: %s", a.text)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func TestNativeNotebookKeepsState(t *testing.T) {
	w := newNative(t, Config{})
	id := w.create("docker_notebook", map[string]any{"tools_config": []string{"notebook_executor", "python_executor"}})
	w.gives(w.run(id, "notebook_executor", map[string]any{"code": "x = 20"}), "success", "")
	w.gives(w.run(id, "notebook_executor", map[string]any{"code": "x * 2 + 2"}), "success", "42")
	w.gives(w.run(id, "python_executor", map[string]any{"code": "print(7)"}), "success", "7")
}

func TestNativeVolcengineHasNoState(t *testing.T) {
	w := newNative(t, Config{})
	id := w.create("volcengine", map[string]any{"tools_config": []string{"python_executor", "shell_executor"}})
	w.gives(w.run(id, "shell_executor", map[string]any{"command": "echo x > /tmp/x; echo ok"}), "success", "ok")
	w.gives(w.run(id, "shell_executor", map[string]any{"command": "ls /tmp/x; echo end"}), "success", "end")
	if a := w.run(id, "shell_executor", map[string]any{"command": "cat /tmp/x"}); a.field("status") != "error" {
		t.Errorf("state was kept: %s", a.text)
	}
}

func TestNativePool(t *testing.T) {
	w := newNative(t, Config{})
	a := w.must("POST", "/pool/initialize?pool_size=4", map[string]any{"tools_config": []string{"python_executor", "shell_executor"}})
	ids, _ := a.field("sandbox_ids").([]any)
	if len(ids) != 4 || a.field("pool_size") != 4.0 {
		t.Fatalf("initialize: %s", a.text)
	}
	var all sync.WaitGroup
	for range 24 {
		all.Go(func() {
			w.gives(w.ask("POST", "/pool/execute?tool_name=python_executor", map[string]any{
				"code": "import os; print(os.path.exists('/tmp/canary'), os.path.exists('/opt/canary')); open('/tmp/canary','w'); open('/opt/canary','w')",
			}), "success", "False False\n")
		})
	}
	all.Wait()
	if len(ids) > 0 {
		w.gives(w.run(ids[0].(string), "shell_executor", map[string]any{"command": "echo slot"}), "success", "slot")
	}
	stats := w.must("GET", "/stats", nil)
	if stats.field("pool_size") != 4.0 || stats.field("pool_initialized") != true {
		t.Errorf("stats: %s", stats.text)
	}
}

func TestNativeVolumes(t *testing.T) {
	dir := t.TempDir()
	allowed, secret := filepath.Join(dir, "allowed"), filepath.Join(dir, "secret")
	for _, d := range []string{allowed, secret} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(d, "file"), []byte("content of "+filepath.Base(d)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(secret, filepath.Join(allowed, "link")); err != nil {
		t.Fatal(err)
	}
	w := newNative(t, Config{Policy: Policy{Volumes: []string{allowed}}})
	volumes := func(source, mode string) map[string]any {
		return map[string]any{"tools_config": []string{"shell_executor"}, "volumes": map[string]any{source: map[string]string{"bind": "/data", "mode": mode}}}
	}
	id := w.create("docker", volumes(allowed, "ro"))
	w.gives(w.run(id, "shell_executor", map[string]any{"command": "cat /data/file; touch /data/new || echo refused"}), "success", "content of allowed")
	if _, err := os.Stat(filepath.Join(allowed, "new")); err == nil {
		t.Error("a read-only volume was written to")
	}
	if a := w.ask("POST", "/sandbox/create?sandbox_type=docker", volumes(allowed, "rw")); a.status != http.StatusBadRequest || !strings.Contains(a.detail(), "PREFIX:rw") {
		t.Errorf("writable below a read-only prefix: %d %s", a.status, a.text)
	}
	open := newNative(t, Config{Policy: Policy{Volumes: []string{allowed + ":rw"}}})
	id = open.create("docker", volumes(allowed, "rw"))
	open.gives(open.run(id, "shell_executor", map[string]any{"command": "cat /data/file"}), "success", "content of allowed")
	for _, source := range []string{secret, allowed + "/../secret", filepath.Join(allowed, "link"), filepath.Join(allowed, "absent"), "named", "/"} {
		if a := w.ask("POST", "/sandbox/create?sandbox_type=docker", volumes(source, "rw")); a.status != http.StatusBadRequest || !strings.Contains(a.detail(), "volumes") {
			t.Errorf("%s: %d %s", source, a.status, a.text)
		}
	}
}
