package initproc

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Name is what ps shows inside a sandbox as pid 1.
const Name = "cupel-init"

// Descriptors that init is started with.
const (
	LifelineFD = 0
	SignalFD   = 1
)

// text returns the address of init's machine code, which ends with endMark.
func text() unsafe.Pointer

const endMark = uint64(0xC0DEC0DEC0DEC0DE)

// Open returns a read-only, sealed memory file that holds the init program,
// to be executed by execveat(fd, "", AT_EMPTY_PATH). The caller closes it.
func Open() (fd int, err error) {
	fd, err = unix.MemfdCreate(Name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING|unix.MFD_EXEC)
	if err == unix.EINVAL { // kernels before 6.3 know no MFD_EXEC; it is what they do
		fd, err = unix.MemfdCreate(Name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	}
	if err != nil {
		return -1, fmt.Errorf("make init's memory file: %w", err)
	}
	image := executable(code())
	if _, err = unix.Write(fd, image); err == nil {
		err = unix.Fchmod(fd, 0o555)
	}
	if err == nil {
		_, err = unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS,
			unix.F_SEAL_SEAL|unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_WRITE)
	}
	if err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("write init's memory file: %w", err)
	}
	return fd, nil
}

// code copies init's machine code out of this program's text.
func code() []byte {
	const most = 4096
	all := unsafe.Slice((*byte)(text()), most)
	var mark [8]byte
	binary.LittleEndian.PutUint64(mark[:], endMark)
	n := bytes.Index(all, mark[:])
	return bytes.Clone(all[:n])
}

// executable wraps code as a static executable: one header, one readable and
// executable segment, entry at the code.
func executable(code []byte) []byte {
	const (
		base    = 0x400000
		ehsize  = 64
		phsize  = 56
		headers = ehsize + phsize
	)
	size := uint64(headers + len(code))
	var b bytes.Buffer
	b.Write([]byte{0x7f, 'E', 'L', 'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	le := func(v any) { _ = binary.Write(&b, binary.LittleEndian, v) }
	le(uint16(2))              // ET_EXEC
	le(uint16(62))             // EM_X86_64
	le(uint32(1))              // EV_CURRENT
	le(uint64(base + headers)) // entry
	le(uint64(ehsize))         // program headers
	le(uint64(0))              // no section headers
	le(uint32(0))              // flags
	le([]uint16{ehsize, phsize, 1, 0, 0, 0})
	le(uint32(1))                    // PT_LOAD
	le(uint32(5))                    // R+X
	le([]uint64{0, base, base})      // offset, addresses
	le([]uint64{size, size, 0x1000}) // sizes, alignment
	b.Write(code)
	return b.Bytes()
}
