package remote

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
	"time"
)

func TestParseFrame(t *testing.T) {
	const good = "noise\nT begin\ncode 137 [1] + 7 Done(137)\noom 0 ?\ncoding base64\nout aGk=\nerr \nT end\n"
	f, err := parseFrame(good, "T")
	if err != nil {
		t.Fatal(err)
	}
	out, outErr := f.data("out")
	empty, emptyErr := f.data("err")
	if string(out) != "hi" || outErr != nil || len(empty) != 0 || emptyErr != nil {
		t.Errorf("out %q %v, err %q %v", out, outErr, empty, emptyErr)
	}
	if f.number("oom", 0) != 0 || f.number("oom", 1) != -1 || f.number("oom", 2) != -1 || f.number("none", 0) != -1 {
		t.Errorf("oom %v", f.numbers("oom"))
	}
	for _, bad := range []string{"", "T begin\n", good[:40], strings.ReplaceAll(good, "T", "U"), strings.Replace(good, "err ", "out ", 1)} {
		if f, err := parseFrame(bad, "T"); !errors.Is(err, errNoFrame) {
			t.Errorf("%q gave %v, %v", bad, f, err)
		}
	}
}

func TestEnding(t *testing.T) {
	for value, want := range map[string]struct {
		code   int
		signal string
	}{
		"0 [3] - 7 Done":          {0, ""},
		"137 [3] - 7 Done(137)":   {137, ""},
		"137 [3] - 7 Killed":      {-1, "SIGKILL"},
		"141 [3] + 7 Broken pipe": {-1, "SIGPIPE"},
		"139":                     {-1, "SIGSEGV"},
		"127":                     {127, ""},
		"255":                     {255, ""},
		"200 ":                    {200, ""},
		"":                        {255, ""},
	} {
		if code, signal := ending(value); code != want.code || signal != want.signal {
			t.Errorf("ending(%q) = %d, %q", value, code, signal)
		}
	}
}

func TestCPUTimes(t *testing.T) {
	user, system := cpuTimes("0m0.010000s 0m0.020s 1m0.510000s 0m0.050000s")
	if user != 60500*time.Millisecond || system != 30*time.Millisecond {
		t.Errorf("%v %v", user, system)
	}
	if user, system := cpuTimes("nonsense"); user != 0 || system != 0 {
		t.Errorf("%v %v", user, system)
	}
}

func FuzzParseFrame(f *testing.F) {
	f.Add("\nT begin\ncode 0 x\nwall 3\ncpu 0m0s 0m0s 0m0s 0m0s\noom 0 0\ncoding hex\nout 00\nerr \nT end")
	f.Fuzz(func(t *testing.T, text string) {
		frame, err := parseFrame(text, "T")
		if err != nil {
			return
		}
		for key := range frame {
			_, _ = frame.data(key)
			_ = frame.numbers(key)
		}
		if code, signal := ending(frame["code"]); code < 0 && signal == "" {
			t.Errorf("%q has neither code nor signal", frame["code"])
		}
		cpuTimes(frame["cpu"])
	})
}

// What quote makes is one word that means the same to a shell.
func FuzzQuote(f *testing.F) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		f.Skip(err)
	}
	f.Add("it's $HOME `id` \\ \" \n\xff*")
	f.Fuzz(func(t *testing.T, s string) {
		if strings.ContainsRune(s, 0) || len(s) > 1000 {
			return
		}
		out, err := exec.CommandContext(t.Context(), sh, "-c", "printf %s "+quote(s)).Output()
		if err != nil || string(out) != s {
			t.Errorf("%q came back as %q, %v", s, out, err)
		}
	})
}

// Whatever archive comes, what is sent on holds nothing that leads out.
func FuzzRepackUpload(f *testing.F) {
	var seed bytes.Buffer
	w := tar.NewWriter(&seed)
	for _, h := range []tar.Header{
		{Typeflag: tar.TypeReg, Name: "a", Mode: 0o6755, Size: 2}, {Typeflag: tar.TypeDir, Name: "d/"},
		{Typeflag: tar.TypeSymlink, Name: "s", Linkname: "/etc"}, {Typeflag: tar.TypeLink, Name: "l", Linkname: "a"},
	} {
		if err := w.WriteHeader(&h); err != nil {
			f.Fatal(err)
		}
		if h.Size > 0 {
			io.WriteString(w, "hi")
		}
	}
	w.Close()
	f.Add(seed.Bytes())
	f.Fuzz(func(t *testing.T, archive []byte) {
		var out bytes.Buffer
		if repackUpload(&out, bytes.NewReader(archive), 1<<20, 100) != nil {
			return
		}
		for r := tar.NewReader(&out); ; {
			h, err := r.Next()
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				t.Fatalf("what was made can't be read: %v", err)
			}
			if checkName(h.Name) != nil || h.Mode&0o6000 != 0 || h.Typeflag == tar.TypeChar || h.Typeflag == tar.TypeBlock {
				t.Errorf("%+v passed", h)
			}
		}
	})
}
