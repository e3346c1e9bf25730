package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"cupel.dev/cupel"
	"cupel.dev/cupel/api"
)

// mostEvent bounds one event of a stream.
const mostEvent = 256 << 20

// stream posts a request whose answer is a stream of events.
func (c *Client) stream(ctx context.Context, path string, req any, stdout, stderr io.Writer) (*api.Result, error) {
	raw, err := encode(req)
	if err != nil {
		return nil, err
	}
	resp, err := c.send(ctx, request{method: http.MethodPost, path: path, json: raw, accept: "text/event-stream"})
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	res, err := readStream(resp.Body, &outlet{to: stdout}, &outlet{to: stderr})
	switch {
	case err == nil:
		return res, nil
	case ctx.Err() != nil:
		return nil, canceled(ctx)
	}
	if e, ok := errors.AsType[*cupel.Error](err); ok {
		return nil, e
	}
	return nil, c.nonsense(err.Error())
}

// outlet writes until that fails once.
type outlet struct {
	to     io.Writer
	failed bool
}

func (o *outlet) write(p []byte) {
	if o.to == nil || o.failed {
		return
	}
	n, err := o.to.Write(p)
	o.failed = err != nil || n < len(p)
}

// errCut is why a stream without a last event is no result.
var errCut = errors.New("the stream ended before the result")

// readStream passes the output on and returns the last event: the result, or
// the error that it says as a *cupel.Error. Every other error is the stream's.
func readStream(r io.Reader, stdout, stderr *outlet) (*api.Result, error) {
	lines := bufio.NewReaderSize(r, 64<<10)
	for {
		event, data, err := nextEvent(lines)
		if err != nil {
			return nil, err
		}
		switch event {
		case api.EventStdout, api.EventStderr:
			var chunk api.Chunk
			if err := json.Unmarshal(data, &chunk); err != nil {
				return nil, err
			}
			to := stdout
			if event == api.EventStderr {
				to = stderr
			}
			to.write(chunk.Bytes())
		case api.EventResult:
			var res api.Result
			if err := json.Unmarshal(data, &res); err != nil {
				return nil, err
			}
			if res.Status == "" {
				return nil, errors.New("a result without a status")
			}
			return &res, nil
		case api.EventError:
			var doc api.Error
			if err := json.Unmarshal(data, &doc); err != nil {
				return nil, err
			}
			return nil, doc.Error.Cupel()
		}
	}
}

// nextEvent reads one event, in the form that browsers read too: fields a
// line, an empty line at its end.
func nextEvent(lines *bufio.Reader) (event string, data []byte, err error) {
	for {
		line, err := readLine(lines)
		if err != nil {
			return "", nil, err
		}
		if len(line) == 0 {
			if event != "" || data != nil {
				return event, data, nil
			}
			continue
		}
		field, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(field) {
		case "event":
			event = string(value)
		case "data":
			if data != nil {
				data = append(data, '\n')
			}
			if len(data)+len(value) > mostEvent {
				return "", nil, errors.New("an event of the stream is too long")
			}
			data = append(data, value...)
		}
	}
}

// readLine reads a line without its end.
func readLine(lines *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := lines.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case err == nil:
			return bytes.TrimRight(line, "\r\n"), nil
		case errors.Is(err, io.EOF):
			return nil, errCut
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		case len(line) > mostEvent:
			return nil, errors.New("a line of the stream is too long")
		}
	}
}
