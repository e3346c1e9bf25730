//go:build !(linux && amd64)

package spawn

// Supported says whether Start works in this build.
const Supported = false
