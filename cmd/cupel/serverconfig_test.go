package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
)

// serverFlags reads a command line, and a file where text isn't "".
func serverFlags(t *testing.T, text string, args ...string) (serverOptions, error) {
	t.Helper()
	opts := defaultServerOptions()
	f := pflag.NewFlagSet("server", pflag.ContinueOnError)
	opts.addFlags(f)
	if text != "" {
		file := filepath.Join(t.TempDir(), "server.yaml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, "--config="+file)
	}
	if err := f.Parse(args); err != nil {
		t.Fatal(err)
	}
	return opts, opts.read(f)
}

func TestEveryServerFlagIsAKeyOfTheFile(t *testing.T) {
	opts := defaultServerOptions()
	f := pflag.NewFlagSet("server", pflag.ContinueOnError)
	opts.addFlags(f)
	not := []string{"api-key", "config", "cleanup-interval", "image"} // image is images, an object
	f.VisitAll(func(flag *pflag.Flag) {
		if slices.Contains(not, flag.Name) {
			return
		}
		line := strings.ReplaceAll(flag.Name, "-", "_") + ": "
		switch v := flag.Value.(type) {
		case pflag.SliceValue:
			line += "[" + strings.Join(v.GetSlice(), ", ") + "]"
		default:
			line += flag.DefValue
		}
		if _, err := serverFlags(t, line+"\n"); err != nil {
			t.Errorf("%s: %v", line, err)
		}
	})
}

func TestServerFlagsWinOverTheFile(t *testing.T) {
	text := "host: 0.0.0.0\nport: 99\ndoors: [v1]\nidle_ttl: 5m\nimages:\n  b: host\n  a*: dir:/usr\nvolumes: [/srv]\n"
	opts, err := serverFlags(t, text, "--port=7", "--image=c=host", "--volumes=/opt,/mnt")
	if err != nil {
		t.Fatal(err)
	}
	if opts.Port != 7 || opts.Host != "0.0.0.0" || opts.IdleTTL != 5*time.Minute || !slices.Equal(opts.Doors, []string{"v1"}) ||
		!slices.Equal(opts.Images, imageList{"c=host", "b=host", "a*=dir:/usr"}) || !slices.Equal(opts.Volumes, []string{"/opt", "/mnt"}) {
		t.Errorf("read %+v", opts)
	}
	images, err := opts.images()
	if source, ok := images.Source("abc"); err != nil || !ok || source != "dir:/usr" {
		t.Errorf("abc is %q, %v", source, err)
	}
}

func TestLoopback(t *testing.T) {
	for host, want := range map[string]bool{
		"127.0.0.1": true, "127.8.8.8": true, "::1": true, "[::1]": true, "localhost": true,
		"0.0.0.0": false, "::": false, "": false, "10.0.0.1": false, "example.org": false,
	} {
		if got := loopback(host); got != want {
			t.Errorf("loopback(%q) = %v", host, got)
		}
	}
}
