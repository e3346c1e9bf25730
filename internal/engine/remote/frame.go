package remote

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strconv"
	"strings"
)

// frame is what a script printed: lines of a key, a blank and a value.
//
//	fail WHAT        it could not begin
//	code N LINE      the shell's word for how the program ended
//	wall N           hundredths of a second
//	cpu A B C D      user and system time of children, before and after
//	spent N          the same of all that ran, as last seen, in hundredths
//	causes WORD…     what ended the program: time, cpu, output
//	oom N M          processes ended for want of memory, before and after
//	coding WORD      how data is written
//	out DATA, err DATA
//	out.more N       bytes that are left in a file
type frame map[string]string

var errNoFrame = errors.New("no frame")

// parseFrame finds the frame in a tool's output.
func parseFrame(output, token string) (frame, error) {
	_, body, begun := strings.Cut(output, "\n"+token+" begin\n")
	body, _, ended := strings.Cut(body, token+" end")
	if !begun || !ended {
		return nil, errNoFrame
	}
	f := frame{}
	for line := range strings.Lines(body) {
		key, value, _ := strings.Cut(strings.TrimRight(line, "\r\n"), " ")
		if _, twice := f[key]; twice {
			return nil, errNoFrame
		}
		f[key] = value
	}
	return f, nil
}

// data decodes a value.
func (f frame) data(key string) ([]byte, error) {
	if f["coding"] == "hex" {
		return hex.DecodeString(f[key])
	}
	return base64.StdEncoding.DecodeString(f[key])
}

// numbers reads values that are numbers; one that is none is -1.
func (f frame) numbers(key string) []int {
	var list []int
	for word := range strings.FieldsSeq(f[key]) {
		n, err := strconv.Atoi(word)
		if err != nil || n < 0 {
			n = -1
		}
		list = append(list, n)
	}
	return list
}

// number is the i-th of numbers, -1 if there is none.
func (f frame) number(key string, i int) int {
	if list := f.numbers(key); i < len(list) {
		return list[i]
	}
	return -1
}
