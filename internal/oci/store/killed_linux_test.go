package store

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// killedIn makes a re-executed test binary unpack an image into the store that
// it names, slowly, until it is killed.
const killedIn = "CUPEL_TEST_STORE"

func TestMain(m *testing.M) {
	dir := os.Getenv(killedIn)
	if dir == "" {
		os.Exit(m.Run())
	}
	s, err := Open(dir)
	if err == nil {
		_, err = s.Tar(context.Background(), os.Getenv("IMAGE"), single)
	}
	fmt.Println(err)
}

// TestKilled kills processes while they unpack: what they leave is never taken
// for an image, the next Open removes it, and the next Tar succeeds.
func TestKilled(t *testing.T) {
	files := map[string]string{}
	for i := range 3000 {
		files[fmt.Sprintf("d%d/f%d", i%50, i)] = strings.Repeat("x", 500)
	}
	path := file(t, archive(t, files))
	dir := filepath.Join(t.TempDir(), "store")
	torn := 0
	for i := range 8 {
		cmd := exec.Command("/proc/self/exe")
		cmd.Env = append(os.Environ(), killedIn+"="+dir, "IMAGE="+path)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(10+15*i) * time.Millisecond)
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if left, err := os.ReadDir(filepath.Join(dir, "tmp")); err == nil && len(left) > 0 {
			torn++
		}
		s, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		if left := s.list(t, "tmp"); len(left) != 0 {
			t.Fatalf("after a kill, Open leaves %v", left)
		}
		for _, key := range s.list(t, "images") {
			if n := countFiles(t, filepath.Join(dir, "images", key, "rootfs")); n != len(files) {
				t.Fatalf("a torn image is kept: %d files of %d", n, len(files))
			}
			if err := removeAll(filepath.Join(dir, "images"), key); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Logf("%d of 8 were killed while they unpacked", torn)
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.Tar(context.Background(), path, single)
	if err != nil || countFiles(t, r.Dir) != len(files) {
		t.Errorf("%+v, %v", r, err)
	}
}

func countFiles(t *testing.T, dir string) (n int) {
	t.Helper()
	err := filepath.WalkDir(dir, func(_ string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			n++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestSweepSparesTheLiving: what is being unpacked now stays.
func TestSweepSparesTheLiving(t *testing.T) {
	s := opened(t)
	for _, key := range []string{"dead", "alive"} {
		if err := os.MkdirAll(filepath.Join(s.dir, "tmp", key, "rootfs"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	lock, err := s.tryLock("alive")
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if _, err := Open(s.dir); err != nil {
		t.Fatal(err)
	}
	if got := s.list(t, "tmp"); !slices.Equal(got, []string{"alive"}) {
		t.Errorf("tmp: %v", got)
	}
}
