package native

import (
	"os"
	"testing"

	"cupel.dev/cupel"
	"cupel.dev/cupel/enginetest"
)

// TestMain keeps the cache of all tests in one temporary directory.
func TestMain(m *testing.M) {
	if os.Getenv("CUPEL_CACHE") != "" {
		os.Exit(m.Run())
	}
	dir, err := os.MkdirTemp("", "cupel-test-")
	if err != nil {
		panic(err)
	}
	os.Setenv("CUPEL_CACHE", dir)
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// The engine conforms, with this place's cgroups and without any.
func TestEngine(t *testing.T) {
	for _, cgroups := range []string{"auto", "none"} {
		t.Run(cgroups, func(t *testing.T) {
			cannot := map[string]string{
				"host/in a writable root programs of the image can be replaced": "the host image's files belong to nobody inside; " +
					"TestEngineWithImage does it with an image's own",
			}
			cpu, boundProc := abilities(t, cgroups)
			if !cpu {
				cannot["limits/cpu: cores may be limited"] = "parts of a core need the cgroup cpu controller; TestCores checks what is done without"
			}
			if boundProc {
				cannot["host/a writable root is private"] = "where /proc is bound, Landlock lets a program read what was at the top of its root when it started, " +
					"and nothing that it adds there"
			}
			enginetest.Run(t, opener(Config{Cgroups: cgroups}), enginetest.Options{Cannot: cannot})
		})
	}
}

// The engine conforms with an image of its own: $CUPEL_TEST_IMAGE, such as
// "tar:debian.tar", with a shell and python3 in it. The end-to-end tests make
// one and run this.
func TestEngineWithImage(t *testing.T) {
	image := os.Getenv("CUPEL_TEST_IMAGE")
	if image == "" {
		t.Skip("CUPEL_TEST_IMAGE names no image; the end-to-end tests do")
	}
	cannot := map[string]string{}
	if _, boundProc := abilities(t, "auto"); boundProc {
		cannot["host/a writable root is private"] = "as in TestEngine"
	}
	enginetest.Run(t, opener(Config{}), enginetest.Options{Spec: cupel.Spec{Image: image}, Cannot: cannot})
}

// abilities says whether cores can be shared out here, and whether /proc is
// the outer one.
func abilities(t *testing.T, cgroups string) (cpu, boundProc bool) {
	e := opener(Config{Cgroups: cgroups})(t).(*Engine)
	defer e.Close()
	return e.controls("cpu"), e.bound.Load()
}

// Without a cpu controller, whole cores are pinned and parts of one refused.
func TestCores(t *testing.T) {
	e := opener(Config{Cgroups: "none"})(t)
	defer e.Close()
	if _, err := e.Create(t.Context(), cupel.Spec{Limits: cupel.Limits{CPUs: 0.5}}); cupel.KindOf(err) != cupel.Unsupported {
		t.Errorf("half a core: %v", err)
	}
	sb, err := e.Create(t.Context(), cupel.Spec{Limits: cupel.Limits{CPUs: 1}})
	if err != nil {
		t.Fatal(err)
	}
	res, out, _, err := cupel.Output(t.Context(), sb, cupel.Cmd{Args: []string{"nproc"}})
	if err != nil || res.Status != cupel.StatusOK || string(out) != "1\n" {
		t.Errorf("nproc says %q: %+v, %v", out, res, err)
	}
}

func opener(cfg Config) func(t *testing.T) cupel.Engine {
	return func(t *testing.T) cupel.Engine {
		e, err := Open(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
}
