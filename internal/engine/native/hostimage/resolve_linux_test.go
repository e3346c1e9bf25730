package hostimage

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// place makes a file tree below dir: a value starting with "->" is a link, "!"
// an executable that is no script, "#!" a script, "/" a directory.
func place(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		target, isLink := strings.CutPrefix(content, "->")
		switch {
		case content == "/":
			err = os.MkdirAll(path, 0o755)
		case isLink:
			err = os.Symlink(strings.ReplaceAll(target, "$DIR", dir), path)
		default:
			err = os.WriteFile(path, []byte(strings.ReplaceAll(content, "$DIR", dir)), 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestResolve lays out how interpreters come to be installed below a home, and
// checks what of it is shown.
func TestResolve(t *testing.T) {
	const program = "!a program"
	tests := []struct {
		name  string
		files map[string]string
		path  []string // below the test's directory
		tool  string
		binds []string // below the test's directory, sorted
		inner string   // Tool.Path below the test's directory, "" for skipped
		links []string
	}{
		{
			name: "pyenv shim",
			files: map[string]string{
				"home/.pyenv/shims/python3":                    "#!/bin/sh\necho $DIR/home/.pyenv/versions/3.9/bin/python3",
				"home/.pyenv/versions/3.9/bin/python3":         "->python3.9",
				"home/.pyenv/versions/3.9/bin/python3.9":       program,
				"home/.pyenv/versions/3.9/lib/python3.9/os.py": "",
				"home/.ssh/id_ed25519":                         "secret",
			},
			path: []string{"home/.pyenv/shims"}, tool: "python3",
			binds: []string{"home/.pyenv/versions/3.9"}, inner: "home/.pyenv/versions/3.9/bin/python3",
		},
		{
			name: "rustup proxy",
			files: map[string]string{
				"home/.cargo/bin/cargo":                      "->rustup",
				"home/.cargo/bin/rustc":                      "->rustup",
				"home/.cargo/bin/rustup":                     "#!/bin/sh\necho $DIR/home/.rustup/toolchains/stable",
				"home/.cargo/credentials.toml":               "secret",
				"home/.rustup/toolchains/stable/bin/cargo":   program,
				"home/.rustup/toolchains/stable/lib/rustlib": "/",
			},
			path: []string{"home/.cargo/bin"}, tool: "cargo",
			binds: []string{"home/.rustup/toolchains/stable"}, inner: "home/.rustup/toolchains/stable/bin/cargo",
		},
		{
			name: "virtual environment and its base",
			files: map[string]string{
				"home/p/.venv/pyvenv.cfg":  "home = $DIR/base/bin\nversion = 3.9\n",
				"home/p/.venv/bin/python3": "->$DIR/base/bin/python3.9",
				"home/p/main.py":           "secret",
				"base/bin/python3.9":       program,
				"base/lib/python3.9/os.py": "",
			},
			path: []string{"home/p/.venv/bin"}, tool: "python3",
			binds: []string{"base", "home/p/.venv"}, inner: "home/p/.venv/bin/python3",
		},
		{
			name: "a link in ~/.local/bin",
			files: map[string]string{
				"home/.local/bin/python3":                               "->../share/uv/python/3.12/bin/python3.12",
				"home/.local/share/uv/python/3.12/bin/python3.12":       program,
				"home/.local/share/uv/python/3.12/lib/python3.12/os.py": "",
				"home/.local/share/keyrings/login.keyring":              "secret",
			},
			path: []string{"home/.local/bin"}, tool: "python3",
			binds: []string{"home/.local/share/uv/python/3.12"}, inner: "home/.local/bin/python3",
			links: []string{"home/.local/bin/python3"},
		},
		{
			name: "java through a link to a directory",
			files: map[string]string{
				"home/.sdkman/java/17/bin/java":    program,
				"home/.sdkman/java/17/lib/modules": "",
				"home/.sdkman/java/current":        "->17",
			},
			path: []string{"home/.sdkman/java/current/bin"}, tool: "java",
			binds: []string{"home/.sdkman/java/17"}, inner: "home/.sdkman/java/current/bin/java",
			links: []string{"home/.sdkman/java/current"},
		},
		{
			name:  "node of nvm",
			files: map[string]string{"home/.nvm/versions/node/v20/bin/node": program, "home/.nvm/versions/node/v20/lib/node_modules/npm": "/"},
			path:  []string{"home/.nvm/versions/node/v20/bin"}, tool: "node",
			binds: []string{"home/.nvm/versions/node/v20"}, inner: "home/.nvm/versions/node/v20/bin/node",
		},
		{
			name:  "a lone program in ~/bin",
			files: map[string]string{"home/bin/lua": program, "home/lib/secret": "secret"},
			path:  []string{"home/bin"}, tool: "lua",
			binds: []string{"home/bin/lua"}, inner: "home/bin/lua",
		},
		{
			name:  "python installed into ~/.local",
			files: map[string]string{"home/.local/bin/python3": program, "home/.local/lib/python3.9/os.py": ""},
			path:  []string{"home/.local/bin"}, tool: "python3",
		},
		{
			name: "a broken shim, then a good program",
			files: map[string]string{
				"shims/node":    "#!/bin/sh\necho no version is set >&2; exit 1",
				"node/bin/node": program, "node/include": "/",
			},
			path: []string{"shims", "node/bin"}, tool: "node",
			binds: []string{"node"}, inner: "node/bin/node",
		},
		{
			name:  "a shim that names something else",
			files: map[string]string{"shims/node": "#!/bin/sh\necho /etc/passwd"},
			path:  []string{"shims"}, tool: "node",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir, err := filepath.EvalSymlinks(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			place(t, dir, tt.files)
			t.Setenv("HOME", filepath.Join(dir, "home"))
			for _, v := range []string{"PYENV_ROOT", "RUSTUP_HOME"} {
				t.Setenv(v, "")
			}
			var path []string
			for _, p := range tt.path {
				path = append(path, filepath.Join(dir, p))
			}
			plan, err := New(context.Background(), Config{CacheDir: t.TempDir(), Path: strings.Join(path, ":"), Tools: []string{tt.tool, "rustc"}})
			if err != nil {
				t.Fatal(err)
			}
			var binds, links []string
			for _, b := range plan.Binds {
				if rest, ok := strings.CutPrefix(b.Source, dir+"/"); ok {
					binds = append(binds, rest)
				}
			}
			for _, l := range plan.Links {
				links = append(links, strings.TrimPrefix(l.Path, dir+"/"))
			}
			if !slices.Equal(binds, tt.binds) {
				t.Errorf("binds %q, want %q (skipped: %v)", binds, tt.binds, plan.Skipped)
			}
			if !slices.Equal(links, tt.links) {
				t.Errorf("links %q, want %q", links, tt.links)
			}
			inner := strings.TrimPrefix(plan.Tools[tt.tool].Path, dir+"/")
			if inner != tt.inner {
				t.Errorf("found at %q, want %q", inner, tt.inner)
			}
			if inner != "" && plan.Path[0] != filepath.Join(dir, filepath.Dir(inner)) {
				t.Errorf("PATH %v does not start with its directory", plan.Path)
			}
			if inner == "" && len(plan.Skipped) == 0 {
				t.Error("it was skipped without a reason")
			}
			checkSkeleton(t, plan)
		})
	}
}

// TestSecondPlanRunsNothing counts the starts of a shim over several plans.
func TestSecondPlanRunsNothing(t *testing.T) {
	dir := t.TempDir()
	place(t, dir, map[string]string{
		"pyenv/shims/python3":                    "#!/bin/sh\necho >> $DIR/count\necho $DIR/pyenv/versions/3.9/bin/python3",
		"pyenv/versions/3.9/bin/python3":         "!a program",
		"pyenv/versions/3.9/lib/python3.9/os.py": "",
		"pyenv/version":                          "3.9",
	})
	t.Setenv("PYENV_ROOT", filepath.Join(dir, "pyenv"))
	cache := t.TempDir()
	plan := func(wantStarts int, why string) Plan {
		t.Helper()
		p, err := New(context.Background(), Config{CacheDir: cache, Path: filepath.Join(dir, "pyenv/shims"), Tools: []string{"python3"}})
		if err != nil {
			t.Fatal(err)
		}
		count, _ := os.ReadFile(filepath.Join(dir, "count"))
		if len(count) != wantStarts {
			t.Errorf("%s: the shim was started %d times, want %d", why, len(count), wantStarts)
		}
		return p
	}
	first := plan(1, "first")
	if second := plan(1, "second"); second.Version != first.Version || second.Skeleton != first.Skeleton {
		t.Errorf("second plan %+v differs from the first %+v", second, first)
	}
	if err := os.WriteFile(filepath.Join(dir, "pyenv/version"), []byte("3.10.1"), 0o644); err != nil {
		t.Fatal(err)
	}
	plan(2, "after pyenv global")
	if err := os.WriteFile(filepath.Join(dir, "pyenv/versions/3.9/bin/python3"), []byte("!another"), 0o755); err != nil {
		t.Fatal(err)
	}
	if p := plan(3, "after an upgrade"); p.Version == first.Version {
		t.Error("the version is the same after an upgrade")
	}
	if err := os.RemoveAll(first.Skeleton); err != nil {
		t.Fatal(err)
	}
	plan(4, "after the skeleton went")
	t.Setenv("PYENV_VERSION", "3.8")
	plan(5, "with PYENV_VERSION")
}

func TestRefuse(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	cache := filepath.Join(t.TempDir(), "cache")
	place(t, home, map[string]string{"keys/.ssh": "/", "tree/lib": "/"})
	if err := os.MkdirAll(cache, 0o755); err != nil {
		t.Fatal(err)
	}
	s := newSurvey(Config{CacheDir: cache})
	for path, want := range map[string]bool{
		"/": true, "/home": true, "/root": true, "/etc": true, "/tmp": true, home: true, filepath.Dir(home): true,
		filepath.Join(home, "keys"): true, filepath.Join(home, "tree"): false, filepath.Dir(cache): true,
		filepath.Join(home, "absent"): true, "/usr": false,
	} {
		if reason := s.refuse(path); (reason != "") != want {
			t.Errorf("%s: %q, want refused=%v", path, reason, want)
		}
	}
}

// TestHomeInASystemTree: a home below /opt is left out, one below /usr hidden.
func TestHomeInASystemTree(t *testing.T) {
	opt := t.TempDir()
	place(t, opt, map[string]string{"tool/bin/x": "!", "service/.ssh/id": "secret", "file": ""})
	t.Setenv("HOME", filepath.Join(opt, "service"))
	s := newSurvey(Config{})
	s.bindAround(opt)
	if want := []Bind{{opt + "/tool", opt + "/tool"}}; !slices.Equal(s.binds, want) {
		t.Errorf("binds %v, want %v", s.binds, want)
	}
	const home = "/usr/share"
	t.Setenv("HOME", home)
	plan, err := New(context.Background(), Config{CacheDir: t.TempDir(), Tools: []string{"sh"}})
	if err != nil {
		t.Fatal(err)
	}
	if want := (Bind{filepath.Join(plan.Skeleton, "var/empty"), home}); !slices.Contains(plan.Binds, want) {
		t.Errorf("binds %v lack %v", plan.Binds, want)
	}
}

func TestSubmounts(t *testing.T) {
	const table = `27 1 254:0 / / rw - ext4 /dev/vda rw
30 27 0:1 / /usr rw - ext4 /dev/vdb rw
31 30 0:2 / /usr/local/big\040disk rw shared:1 - ext4 /dev/vdc rw
32 31 0:3 / /usr/local/big\040disk/more rw - ext4 /dev/vdd rw
33 27 0:4 / /usrlocal rw - ext4 /dev/vde rw
34 27 0:5 / /usr/net rw - autofs auto rw
35 27 0:6 / /home rw - ext4 /dev/vdf rw
broken
`
	got := addSubmounts([]Bind{{"/opt", "/opt"}, {"/usr", "/usr"}}, []byte(table))
	want := []Bind{
		{"/opt", "/opt"}, {"/usr", "/usr"},
		{"/usr/local/big disk", "/usr/local/big disk"},
		{"/usr/local/big disk/more", "/usr/local/big disk/more"},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestEtcLeavesSecretsOut copies from a directory made for it.
func TestEtcLeavesSecretsOut(t *testing.T) {
	dir := t.TempDir()
	place(t, dir, map[string]string{
		"conf/security/java.security": "x", "conf/a.pem": "-----BEGIN CERTIFICATE-----", "conf/hidden": "x",
		"conf/b.pem": "-----BEGIN RSA PRIVATE KEY-----", "conf/private/c": "x", "conf/server.key": "x",
		"conf/jmxremote.password": "x", "conf/link": "->/etc/shadow",
	})
	if err := os.Chmod(filepath.Join(dir, "conf/hidden"), 0o600); err != nil {
		t.Fatal(err)
	}
	tr := tree{}
	copyTree(tr, newSurvey(Config{}), filepath.Join(dir, "conf"), maxEtcAll)
	var got []string
	for p, e := range tr {
		if e.kind != dirEntry {
			got = append(got, strings.TrimPrefix(p, dir+"/conf/"))
		}
	}
	slices.Sort(got)
	if want := []string{"a.pem", "link", "security/java.security"}; !slices.Equal(got, want) {
		t.Errorf("copied %q, want %q", got, want)
	}
}

// BenchmarkWarm keeps the price of a start in view: a plan from the cache.
func BenchmarkWarm(b *testing.B) {
	c := Config{CacheDir: b.TempDir()}
	if _, err := New(context.Background(), c); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := New(context.Background(), c); err != nil {
			b.Fatal(err)
		}
	}
}
