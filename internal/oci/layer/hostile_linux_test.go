package layer

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"cupel.dev/cupel/internal/linux/tree"
)

// TestHostile tries to get out, or to cost more than the bounds.
func TestHostile(t *testing.T) {
	link := func(name, to string) tar.Header {
		return tar.Header{Name: name, Typeflag: tar.TypeSymlink, Linkname: to}
	}
	tests := []struct {
		name    string
		headers []tar.Header
		want    error  // nil: it unpacks, inside
		inside  string // what has to be there then
	}{
		{"..", []tar.Header{{Name: "../canary", Uname: "x"}}, tree.ErrRefused, ""},
		{".. after a directory", []tar.Header{{Name: "a/b/../../../canary", Uname: "x"}}, tree.ErrRefused, ""},
		{"absolute ..", []tar.Header{{Name: "/../canary", Uname: "x"}}, tree.ErrRefused, ""},
		{"link up as a parent", []tar.Header{link("l", ".."), {Name: "l/canary", Uname: "x"}}, nil, "canary"},
		{"link far up as a parent", []tar.Header{link("l", "../../../../.."), {Name: "l/etc/x", Uname: "x"}}, nil, "etc/x"},
		{"link to a link", []tar.Header{link("a", "b"), link("b", "../.."), {Name: "a/canary", Uname: "x"}}, nil, "canary"},
		{"link replaced by a file", []tar.Header{link("l", "../canary"), {Name: "l", Uname: "x"}}, nil, "l"},
		{"link replaced by a directory", []tar.Header{link("l", ".."), {Name: "l", Typeflag: tar.TypeDir}, {Name: "l/canary", Uname: "x"}}, nil, "l/canary"},
		{"circle of links", []tar.Header{link("a", "b"), link("b", "a"), {Name: "a/x", Uname: "x"}}, tree.ErrRefused, ""},
		{"hard link up", []tar.Header{{Name: "h", Typeflag: tar.TypeLink, Linkname: "../canary"}}, tree.ErrRefused, ""},
		{"hard link through a link", []tar.Header{link("l", ".."), {Name: "h", Typeflag: tar.TypeLink, Linkname: "l/canary"}}, syscall.ENOENT, ""},
		{"hard link to a link, written through", []tar.Header{link("l", "../canary"), {Name: "h", Typeflag: tar.TypeLink, Linkname: "l"}, {Name: "h", Uname: "x"}}, nil, "h"},
		{"hard link to nothing", []tar.Header{{Name: "h", Typeflag: tar.TypeLink, Linkname: "absent"}}, syscall.ENOENT, ""},
		{"root as a link", []tar.Header{link(".", "..")}, tree.ErrRefused, ""},
		{"many entries", make([]tar.Header, 300), tree.ErrTooMuch, ""},
		{"many bytes", []tar.Header{{Name: "x", Uname: strings.Repeat("x", 1<<20+1)}}, tree.ErrTooMuch, ""},
		{"empty", nil, nil, ""},
	}
	for i := range tests[len(tests)-3].headers {
		tests[len(tests)-3].headers[i] = tar.Header{Name: fmt.Sprint(i)}
	}
	o := single
	o.MaxEntries, o.MaxBytes = 200, 1<<20
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			root := target(t)
			_, err := Unpack(context.Background(), root, bytes.NewReader(archive(t, tt.headers...)), o)
			if tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if tt.inside != "" && (err != nil || read(root, tt.inside) != "x") {
				t.Errorf("%s holds %q (%v)", tt.inside, read(root, tt.inside), err)
			}
			if tt.name == "empty" && err == nil {
				t.Error("an empty archive: no error")
			}
		})
	}
}
