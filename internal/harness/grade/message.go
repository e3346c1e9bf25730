package grade

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"

	"cupel.dev/cupel"
)

// maxMessage bounds what a grading process may send. The process is ours; the
// bound keeps a broken one from taking the machine's memory.
const maxMessage = 64 << 20

// request is what a grading process is asked; see py/grader.py.
type request struct {
	Op    string `json:"op"`
	Form  Form   `json:"form,omitempty"`
	Setup string `json:"setup"`
	Test  string `json:"test"`
	Entry string `json:"entry"`
}

// reply is what it answers.
type reply struct {
	Error    string `json:"error"`
	Again    bool   `json:"again"`
	Version  string `json:"version"`
	Way      string `json:"way"`
	Inverted string `json:"inverted"`
	Verdict  string `json:"verdict"`
	Reason   string `json:"reason"`
	blob     []byte
}

// failure is the error for a request that the grader could not serve, or nil.
func (r reply) failure(op string) error {
	switch {
	case r.Error == "":
		return nil
	case r.Again:
		return cupel.Errorf(cupel.Unavailable, op, "%s", brief(r.Error))
	}
	return cupel.Errorf(cupel.Internal, op, "%s", brief(r.Error))
}

func taskRequest(op string, t Task) request {
	return request{Op: op, Form: t.Form, Setup: t.Setup, Test: t.Test, Entry: t.EntryPoint}
}

func writeMessage(w io.Writer, req request, blob ...[]byte) error {
	head, err := json.Marshal(req)
	if err != nil {
		return err
	}
	total := 4 + len(head)
	for _, b := range blob {
		total += len(b)
	}
	out := make([]byte, 0, 4+total)
	out = binary.BigEndian.AppendUint32(out, uint32(total))
	out = appendField(out, head)
	for _, b := range blob {
		out = append(out, b...)
	}
	_, err = w.Write(out)
	return err
}

func readMessage(r io.Reader) (reply, error) {
	var size [4]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return reply{}, err
	}
	n := binary.BigEndian.Uint32(size[:])
	if n < 4 || n > maxMessage {
		return reply{}, fmt.Errorf("message of %d bytes", n)
	}
	data := make([]byte, n)
	if _, err := io.ReadFull(r, data); err != nil {
		return reply{}, err
	}
	head := binary.BigEndian.Uint32(data)
	if head > n-4 {
		return reply{}, fmt.Errorf("message head of %d bytes in %d", head, n)
	}
	var rep reply
	if err := json.Unmarshal(data[4:4+head], &rep); err != nil {
		return reply{}, err
	}
	rep.blob = data[4+head:]
	return rep, nil
}

// appendField appends four bytes of length and the bytes.
func appendField[T string | []byte](out []byte, data T) []byte {
	out = binary.BigEndian.AppendUint32(out, uint32(len(data)))
	return append(out, data...)
}
