package tool

import (
	"strings"
	"testing"

	"cupel.dev/cupel"
	"cupel.dev/cupel/internal/wire/enclave"
)

func TestFileOperation(t *testing.T) {
	p := place(t, cupel.Spec{})
	big := strings.Repeat("0123456789abcdef", 64<<10)
	steps := []struct {
		name          string
		params        []any
		status        enclave.ExecutionStatus
		output, error string
	}{
		{"create", []any{"operation", "create", "file_path", "a/b/c.txt"}, enclave.Success, "File written successfully: a/b/c.txt", null},
		{"is empty", []any{"operation", "read", "file_path", "/work/a/b/c.txt"}, enclave.Success, "", null},
		{"write", []any{"operation", "write", "file_path", "a/b/c.txt", "content", "x€\n"}, enclave.Success, "File written successfully: a/b/c.txt", null},
		{"read", []any{"operation", "read", "file_path", "a/b/c.txt"}, enclave.Success, "x€\n", null},
		{"create again", []any{"operation", "create", "file_path", "a/b/c.txt", "content", "new"}, enclave.Success, "File written successfully: a/b/c.txt", null},
		{"read again", []any{"operation", "read", "file_path", "a/b/c.txt", "encoding", "whatever"}, enclave.Success, "new", null},
		{"write nothing", []any{"operation", "write", "file_path", "x", "content", nil}, enclave.Error, "", "Content is required for write operation"},
		{"write big", []any{"operation", "write", "file_path", "big", "content", big}, enclave.Success, "File written successfully: big", null},
		{"read big", []any{"operation", "read", "file_path", "big"}, enclave.Success, big, null},
		{"exists", []any{"operation", "exists", "file_path", "a"}, enclave.Success, "exists", null},
		{"exists not", []any{"operation", "exists", "file_path", "a/x"}, enclave.Success, "does not exist", null},
		{"read none", []any{"operation", "read", "file_path", "none"}, enclave.Error, "", "~none: No such file"},
		{"list none", []any{"operation", "list", "file_path", "none"}, enclave.Error, "", "~No such file"},
		{"into a file", []any{"operation", "write", "file_path", "big/x", "content", ""}, enclave.Error, "", "~Failed to copy file to target location: cp: "},
		{"over a directory", []any{"operation", "write", "file_path", "a", "content", ""}, enclave.Error, "",
			"Failed to copy file to target location: cp: cannot overwrite directory 'a'\n"},
		{"read-only", []any{"operation", "write", "file_path", "/usr/x", "content", ""}, enclave.Error, "", "~Failed to copy file to target location: cp: "},
		{"delete", []any{"operation", "delete", "file_path", "a"}, enclave.Success, "Successfully deleted: a", null},
		{"deleted", []any{"operation", "exists", "file_path", "a"}, enclave.Success, "does not exist", null},
		{"delete none", []any{"operation", "delete", "file_path", "a"}, enclave.Success, "Successfully deleted: a", null},
		{"blank", []any{"operation", "read", "file_path", " "}, enclave.Error, "", "No file path provided"},
		{"unknown", []any{"operation", "chmod", "file_path", "a"}, enclave.Error, "", "Unknown operation: chmod"},
		{"latin", []any{"operation", "write", "file_path", "l", "content", "é", "encoding", "Latin-1"}, enclave.Success, "File written successfully: l", null},
		{"latin read", []any{"operation", "read", "file_path", "l"}, enclave.Success, "\ufffd", null},
		{"no latin", []any{"operation", "write", "file_path", "l", "content", "a€", "encoding", "latin_1"}, enclave.Error, "",
			`Write failed: 'latin-1' codec can't encode character '\u20ac' in position 1: ordinal not in range(256)`},
		{"no encoding", []any{"operation", "write", "file_path", "l", "content", "a", "encoding", "ebcdic"}, enclave.Error, "", "Write failed: unknown encoding: ebcdic"},
	}
	for _, s := range steps {
		t.Run(s.name, func(t *testing.T) { want(t, call(t, p, fileTool, s.params...), s.status, s.output, s.error) })
	}
	out := call(t, p, fileTool, "operation", "list", "file_path", "/tmp")
	if text := out.Result.Output.(string); !strings.HasPrefix(text, "total ") || strings.Contains(text, "file_op_") {
		t.Errorf("uploads stay in /tmp: %s", text)
	}
}

// A file name is a name, whatever is in it.
func TestHostileFileNames(t *testing.T) {
	p := place(t, cupel.Spec{})
	for _, name := range []string{
		`a"b`, `a'b`, "a\nb", "-rf", "--help", "$(touch hit)", "`touch hit`", "a;touch hit", "a && touch hit", "*", "~", "a\\b", " a ",
		"%s", "!x", "-", "é€😀", strings.Repeat("n", 255), `"; touch hit; "`, "d/-x", "-d/-x", "d/$(touch hit)/x",
	} {
		t.Run(name, func(t *testing.T) {
			content := "in " + name
			want(t, call(t, p, fileTool, "operation", "write", "file_path", name, "content", content), enclave.Success, "File written successfully: "+name, null)
			want(t, call(t, p, fileTool, "operation", "read", "file_path", name), enclave.Success, content, null)
			want(t, call(t, p, fileTool, "operation", "exists", "file_path", name), enclave.Success, "exists", null)
			if out := call(t, p, fileTool, "operation", "list", "file_path", name); out.Result.Status != enclave.Success {
				t.Errorf("list: %v", *out.Result.Error)
			}
			want(t, call(t, p, fileTool, "operation", "delete", "file_path", name), enclave.Success, "Successfully deleted: "+name, null)
			want(t, call(t, p, fileTool, "operation", "exists", "file_path", name), enclave.Success, "does not exist", null)
		})
	}
	want(t, call(t, p, fileTool, "operation", "exists", "file_path", "hit"), enclave.Success, "does not exist", null)
	want(t, call(t, p, shellTool, "command", "ls -A | grep -v '^d$\\|^-d$'; true"), enclave.Success, "", null)
}

// What can't be removed by the sandbox's user is emptied at least, and files
// are written with that user's rights.
func TestFilesOfAnotherUser(t *testing.T) {
	p := place(t, cupel.Spec{User: "1000"})
	out := call(t, p, fileTool, "operation", "write", "file_path", "/tmp/mine", "content", "x")
	want(t, out, enclave.Success, "File written successfully: /tmp/mine", null)
	want(t, call(t, p, shellTool, "command", "stat -c %u /tmp/mine; cat /tmp/file_op_* 2>/dev/null; id -u"), enclave.Success, "1000\n1000\n", null)
	want(t, call(t, p, multiTool, "language", "bash", "code", "echo a >new && cat new", "files", map[string]string{"f": ""}), enclave.Success, "a\n", null)
}

func TestEncodings(t *testing.T) {
	tests := []struct{ encoding, text, bytes, error string }{
		{"utf-8", "aé", "a\xc3\xa9", ""},
		{"UTF8", "", "", ""},
		{"ascii", "a\x7f", "a\x7f", ""},
		{"ascii", "aé", "", `'ascii' codec can't encode character '\xe9' in position 1: ordinal not in range(128)`},
		{"ascii", "aé€b", "", `'ascii' codec can't encode characters in position 1-2: ordinal not in range(128)`},
		{"latin-1", "aé", "a\xe9", ""},
		{"iso-8859-1", "😀", "", `'latin-1' codec can't encode character '\U0001f600' in position 0: ordinal not in range(256)`},
		{"utf-16", "a😀", "\xff\xfea\x00\x3d\xd8\x00\xde", ""},
		{"utf_16_le", "a", "a\x00", ""},
		{"utf-16be", "a", "\x00a", ""},
		{"utf-32", "a", "\xff\xfe\x00\x00a\x00\x00\x00", ""},
		{"utf-32-be", "😀", "\x00\x01\xf6\x00", ""},
		{"utf-8-sig", "a", "\xef\xbb\xbfa", ""},
		{"gbk", "a", "", "unknown encoding: gbk"},
		{"", "a", "", "unknown encoding: "},
	}
	for _, tt := range tests {
		got, err := encode(tt.text, tt.encoding)
		if err != nil && err.Error() != tt.error || err == nil && tt.error != "" || string(got) != tt.bytes {
			t.Errorf("encode(%q, %q) = %q, %v; want %q, %s", tt.text, tt.encoding, got, err, tt.bytes, tt.error)
		}
	}
}
