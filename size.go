package cupel

import (
	"fmt"
	"strconv"
	"strings"
)

// Size is a number of bytes.
type Size int64

// Binary units.
const (
	KiB Size = 1 << 10
	MiB Size = 1 << 20
	GiB Size = 1 << 30
	TiB Size = 1 << 40
)

var sizeUnits = []struct {
	suffix string
	size   Size
}{
	{"tib", TiB}, {"gib", GiB}, {"mib", MiB}, {"kib", KiB},
	{"tb", TiB}, {"gb", GiB}, {"mb", MiB}, {"kb", KiB},
	{"t", TiB}, {"g", GiB}, {"m", MiB}, {"k", KiB}, {"b", 1}, {"", 1},
}

// ParseSize reads "512MiB", "512m", "0.5g" or a plain number of bytes. Units
// are powers of 1024 in any case, as in docker run. Negative sizes parse; what
// uses them refuses them.
func ParseSize(s string) (Size, error) {
	low := strings.ToLower(strings.TrimSpace(s))
	for _, u := range sizeUnits {
		num, ok := strings.CutSuffix(low, u.suffix)
		if !ok {
			continue
		}
		f, err := strconv.ParseFloat(strings.TrimSpace(num), 64)
		if err != nil || f*float64(u.size) >= 1<<62 || f*float64(u.size) <= -(1<<62) || f != f {
			break
		}
		return Size(f * float64(u.size)), nil
	}
	return 0, Invalidf("size", s, "write a number with B, KiB, MiB, GiB or TiB, such as 512MiB")
}

// String writes the size in the largest unit that divides it well: "512MiB".
func (s Size) String() string {
	for _, u := range sizeUnits[:4] {
		if s >= u.size || s <= -u.size {
			v := strconv.FormatFloat(float64(s)/float64(u.size), 'f', 1, 64)
			return strings.TrimSuffix(v, ".0") + strings.ToUpper(u.suffix[:1]) + "iB"
		}
	}
	return fmt.Sprintf("%dB", int64(s))
}
