//go:build !linux

package store

import (
	"context"
	"errors"
)

var errLinux = errors.New("image stores need Linux")

// Store needs Linux.
type Store struct{}

// Open needs Linux.
func Open(string) (*Store, error) { return nil, errLinux }

// Tar needs Linux.
func (*Store) Tar(context.Context, string, Options) (Rootfs, error) { return Rootfs{}, errLinux }
