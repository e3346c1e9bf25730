// Package store keeps unpacked images, each once, shared by every sandbox that
// shows it.
//
// The directory of a store:
//
//	format.json            {"schema": 1}; another number is refused
//	images/KEY/rootfs      an unpacked image
//	images/KEY/meta.json   what is known of it
//	tmp/KEY                one being unpacked
//	locks/KEY              held by who unpacks KEY, or looks whether one does
//	index/NAME.json        the digest of a file that was seen: by its path,
//	                       size, times and inode, so that it is read once
//
// KEY is the SHA-256 of the archive's bytes and the scheme of ownership. An
// image is unpacked below tmp, written to disk and renamed; so what is below
// images is whole, whatever died when. What a dead process left below tmp is
// removed by the next one that opens the store, known by its lock.
//
// Nothing below images is ever changed: show it read-only, or as the lower
// layer of an overlay.
package store
