package hostimage

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Hostname is the name that the image's /etc knows its machine by.
const Hostname = "sandbox"

// ownEtc adds the files that are the same on every host: accounts that name the
// ids used inside, and no account of the host.
func ownEtc(t tree) {
	shell := "/bin/sh"
	if _, err := os.Stat("/bin/bash"); err == nil {
		shell = "/bin/bash"
	}
	t.file("/etc/passwd", "root:x:0:0:root:/root:"+shell+"\n"+
		"sandbox:x:1000:1000:sandbox:/work:"+shell+"\n"+
		"nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n")
	t.file("/etc/group", "root:x:0:\ntty:x:5:\nsandbox:x:1000:\nnogroup:x:65534:\n")
	t.file("/etc/hosts", "127.0.0.1\tlocalhost "+Hostname+"\n::1\tlocalhost ip6-localhost\n")
	t.file("/etc/hostname", Hostname+"\n")
	t.file("/etc/nsswitch.conf", "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n"+
		"networks: files\nprotocols: files\nservices: files\nethers: files\nrpc: files\n")
	t.file("/etc/resolv.conf", "") // a mount point where the network is the host's
	t.file("/etc/shells", "/bin/sh\n/bin/bash\n")
	t.link("/etc/mtab", "../proc/self/mounts")
}

// etcCopied are the patterns below /etc that programs of /usr need and that are
// about the software installed, never about the machine's users or services.
var etcCopied = []string{
	"ld.so.cache", "ld.so.conf", "ld.so.conf.d", "ld-musl-*.path",
	"alternatives", "os-release", "debian_version", "redhat-release", "alpine-release",
	"ssl/certs", "ssl/openssl.cnf", "ssl/cert.pem", "ca-certificates",
	"pki/tls/certs", "pki/tls/cert.pem", "pki/tls/openssl.cnf", "pki/ca-trust/extracted", "pki/java",
	"crypto-policies/back-ends", "localtime", "timezone", "locale.alias",
	"mime.types", "magic", "magic.mime", "services", "protocols", "rpc", "networks", "host.conf", "gai.conf",
	"java", "java-*", ".java", "python3*", "perl", "R", "php/*/cli/conf.d", "php/*/mods-available",
	"fonts", "terminfo", "inputrc", "bash.bashrc", "glvnd", "OpenCL", "mono", "ghc", "julia",
}

// Bounds of what is copied: anything larger is not configuration.
const (
	maxEtcFile = 4 << 20
	maxEtcAll  = 64 << 20
)

// copyEtc adds what matches etcCopied and every other user of the machine may
// read.
func copyEtc(t tree, s *survey) {
	left := int64(maxEtcAll)
	s.watch("/etc", "/etc/ssl", "/etc/pki")
	for _, pattern := range etcCopied {
		matches, _ := filepath.Glob(filepath.Join("/etc", pattern))
		for _, m := range matches {
			left -= copyTree(t, s, m, left)
		}
	}
}

// copyTree adds what is at and below root, at most left bytes of it, and
// returns how much that was.
func copyTree(t tree, s *survey, root string, left int64) (copied int64) {
	_ = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || secretName(d.Name()) {
			return skipEntry(d)
		}
		copied += copyOne(t, s, path, d, left-copied)
		return nil
	})
	return copied
}

// skipEntry leaves out one entry, with all below it when it is a directory.
func skipEntry(d fs.DirEntry) error {
	if d != nil && d.IsDir() {
		return fs.SkipDir
	}
	return nil
}

// copyOne adds one file, link or directory and returns its size. Links stay
// links: what they lead to is shown or it is not.
func copyOne(t tree, s *survey, path string, d fs.DirEntry, left int64) int64 {
	fi, err := d.Info()
	if err != nil {
		return 0
	}
	switch perm := fi.Mode().Perm(); {
	case d.IsDir() && perm&0o005 == 0o005:
		s.watch(path)
		t.dir(path)
	case d.Type() == fs.ModeSymlink:
		if target, err := os.Readlink(path); err == nil {
			t.link(path, target)
		}
	case d.Type().IsRegular() && perm&0o004 != 0 && fi.Size() <= min(maxEtcFile, left):
		s.watch(path)
		if data, err := os.ReadFile(path); err == nil && !holdsKey(data) {
			t.add(path, entry{fileEntry, data})
			return int64(len(data))
		}
	}
	return 0
}

// secretName is the second line of defence behind the list of patterns: a name
// that says what it holds is not copied, readable or not.
func secretName(name string) bool {
	name = strings.ToLower(name)
	for _, word := range []string{"private", "secret", "password", "passwd", "shadow", "credential", "token", "jmxremote.access"} {
		if strings.Contains(name, word) {
			return true
		}
	}
	return strings.HasSuffix(name, ".key")
}

func holdsKey(data []byte) bool { return strings.Contains(string(data), "PRIVATE KEY-----") }
