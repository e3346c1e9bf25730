package store

import (
	"errors"

	"cupel.dev/cupel/internal/oci/layer"
)

// Schema numbers the format of a store's directory.
const Schema = 1

// ErrImage is in the chain of every error that is the image's fault or its
// name's, not the machine's.
var ErrImage = errors.New("not a usable image")

// Options say how an image is unpacked. The zero value gives every file to
// host id 0 upwards with no ids, so a caller sets Ownership.
type Options = layer.Options

// Rootfs is an image on disk.
type Rootfs struct {
	// Dir is the absolute path of the root directory. It is shared and must
	// not be changed.
	Dir string `json:"-"`
	// Digest is "sha256:…" of the archive, or "" for a directory of the user's.
	Digest string `json:"digest"`
	// Entries and Size (bytes of files) are the archive's.
	Entries int   `json:"entries"`
	Size    int64 `json:"size"`
	// Devices, Xattrs and Owners count what was left out: device nodes,
	// extended attributes that are not user.*, owners without an id here.
	Devices int `json:"devices,omitempty"`
	Xattrs  int `json:"xattrs,omitempty"`
	Owners  int `json:"owners,omitempty"`
}
