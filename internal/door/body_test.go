package door

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestContentTypeOfKeyless(t *testing.T) {
	keyless := serve(t, Config{Loopback: true}, echo)
	keyed := serve(t, Config{Keys: []Key{{"one", secret}}}, echo)
	for _, c := range []struct {
		types []string
		ok    bool
	}{
		{[]string{"application/json"}, true},
		{[]string{"Application/JSON; charset=utf-8"}, true},
		{[]string{"application/json; charset"}, true},
		{[]string{"application/x-tar"}, true},
		{[]string{"application/octet-stream"}, true},
		{[]string{"application/yaml"}, true},
		{nil, false},
		{[]string{""}, false},
		{[]string{"text/plain"}, false},
		{[]string{"TEXT/plain;application/json"}, false},
		{[]string{" text/plain ; a=\""}, false},
		{[]string{"application/x-www-form-urlencoded"}, false},
		{[]string{"multipart/form-data; boundary=x"}, false},
		{[]string{"application/json", "text/plain"}, false},
		{[]string{"text/plain, application/json"}, false},
		{[]string{"; application/json"}, false},
		{[]string{"a b"}, false},
	} {
		for _, chunked := range []bool{false, true} {
			t.Run(fmt.Sprintf("%q chunked %v", c.types, chunked), func(t *testing.T) {
				text := "POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-API-Key: " + secret + "\r\n"
				for _, ct := range c.types {
					text += "Content-Type: " + ct + "\r\n"
				}
				if chunked {
					text += "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
				} else {
					text += "Content-Length: 2\r\n\r\n{}"
				}
				want := "415 "
				if c.ok {
					want = "200 "
				}
				if got := keyless.raw(t, text); !strings.HasPrefix(got, "HTTP/1.1 "+want) {
					t.Errorf("keyless: %q, want %s", got, want)
				}
				if got := keyed.raw(t, text); !strings.HasPrefix(got, "HTTP/1.1 200 ") {
					t.Errorf("keyed: %q", got)
				}
			})
		}
	}
	if resp, _ := keyless.do(t, "POST", "/", ""); resp.StatusCode != http.StatusOK {
		t.Errorf("POST without a body: %d", resp.StatusCode)
	}
	if resp, _ := keyless.do(t, "GET", "/", "", "Content-Type", "text/plain"); resp.StatusCode != http.StatusOK {
		t.Errorf("GET with a type and without a body: %d", resp.StatusCode)
	}
}

func TestBodyLimit(t *testing.T) {
	const most = 1000
	var read atomic.Bool
	s := serve(t, Config{Loopback: true, MaxBody: most, Stall: time.Second}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		read.Store(true)
		echo(w, r)
	}))
	post := func(framing, body string) string {
		return s.raw(t, "POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n"+framing+"\r\n\r\n"+body)
	}
	fits := strings.Repeat("x", most)
	for name, c := range map[string]struct {
		framing, body, want string
		read                bool
	}{
		"fits":                {"Content-Length: 1000", fits, "200", true},
		"announced too long":  {"Content-Length: 1001", fits + "x", "413", false},
		"announced, huge":     {"Content-Length: 9223372036854775807", "x", "413", false},
		"announced, too huge": {"Content-Length: 9223372036854775808", "", "400", false},
		"chunked, fits":       {"Transfer-Encoding: chunked", "3e8\r\n" + fits + "\r\n0\r\n\r\n", "200", true},
		"chunked, too long":   {"Transfer-Encoding: chunked", "3e8\r\n" + fits + "\r\n1\r\nx\r\n0\r\n\r\n", "413", true},
		"chunked, endless":    {"Transfer-Encoding: chunked", strings.Repeat("3e8\r\n"+fits+"\r\n", 100), "413", true},
		"chunked, malformed":  {"Transfer-Encoding: chunked", "zz\r\n" + fits, "400", true},
		"both framings":       {"Content-Length: 1\r\nTransfer-Encoding: chunked", "0\r\n\r\n", "200", true},
		"two lengths":         {"Content-Length: 1\r\nContent-Length: 2", "xx", "400", false},
	} {
		t.Run(name, func(t *testing.T) {
			read.Store(false)
			got := post(c.framing, c.body)
			if !strings.HasPrefix(got, "HTTP/1.1 "+c.want) || read.Load() != c.read {
				t.Errorf("%.300q, handler ran: %v", got, read.Load())
			}
			if c.want == "413" && !strings.Contains(got, "1000") {
				t.Errorf("the limit is not named: %q", got)
			}
		})
	}
}

// TestBodyErrorEndsEarly cuts the connection's sending half within a body.
func TestBodyErrorEndsEarly(t *testing.T) {
	s := serve(t, Config{Loopback: true}, echo)
	conn := s.dial(t)
	fmt.Fprint(conn, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
	if err := conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	got, _ := io.ReadAll(conn)
	if !strings.HasPrefix(string(got), "HTTP/1.1 400 ") || !strings.Contains(string(got), "ended before its announced end") {
		t.Errorf("%q", got)
	}
}

func TestBodyErrorOfOthers(t *testing.T) {
	var decoded any
	truncated := json.NewDecoder(strings.NewReader("{")).Decode(&decoded)
	for _, err := range []error{nil, io.EOF, errors.New("x"), truncated} {
		if status, message := BodyError(err); status != 0 || message != "" {
			t.Errorf("BodyError(%v) = %d %q", err, status, message)
		}
	}
	if status, _ := BodyError(fmt.Errorf("read: %w", &http.MaxBytesError{Limit: 5})); status != 413 {
		t.Errorf("a handler's own limit: %d", status)
	}
}

// TestSlowBody: a client that stalls, or drips, within a body is answered 408
// and let go of; one that is done is not hurried.
func TestSlowBody(t *testing.T) {
	const stall = 200 * time.Millisecond
	reading := make(chan struct{}, 1)
	s := serve(t, Config{Loopback: true, Stall: stall}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/late" {
			time.Sleep(2 * stall) // reads only after a while
			reading <- struct{}{}
		}
		text, err := io.ReadAll(r.Body)
		if err != nil {
			status, message := BodyError(err)
			refuseJSON(w, r, status, message)
			return
		}
		if r.URL.Path == "/long" {
			select {
			case <-time.After(3 * stall): // works longer than a client may stall
			case <-r.Context().Done():
				t.Error("the request was given up")
			}
		}
		_, _ = w.Write(text)
	}))
	head := func(path string, n int) string {
		return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", path, n)
	}
	t.Run("stalls", func(t *testing.T) {
		got := s.raw(t, head("/", 10)+"{")
		if !strings.HasPrefix(got, "HTTP/1.1 408 ") || !strings.Contains(got, "Connection: close") {
			t.Errorf("%q", got)
		}
	})
	t.Run("drips", func(t *testing.T) {
		conn := s.dial(t)
		fmt.Fprint(conn, head("/", 1<<20))
		stop, dripped := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(dripped)
			for {
				select {
				case <-stop:
					return
				case <-time.After(stall / 10):
					_, _ = conn.Write([]byte("x"))
				}
			}
		}()
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		close(stop)
		<-dripped
		if err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != http.StatusRequestTimeout {
			t.Error(resp.Status)
		}
	})
	for _, path := range []string{"/late", "/long"} {
		t.Run(path, func(t *testing.T) {
			conn := s.dial(t)
			r := bufio.NewReader(conn)
			for range 2 { // the connection stays good
				fmt.Fprint(conn, head(path, 2)+"{")
				if path == "/late" {
					<-reading
				}
				fmt.Fprint(conn, "}")
				resp, err := http.ReadResponse(r, nil)
				if err != nil {
					t.Fatal(err)
				}
				text, _ := io.ReadAll(resp.Body)
				if resp.StatusCode != http.StatusOK || string(text) != "{}" {
					t.Fatalf("%s %q", resp.Status, text)
				}
			}
		})
	}
}

// TestSlowBodyOfRefused: who is turned away can't hold the connection with a
// body that never comes.
func TestSlowBodyOfRefused(t *testing.T) {
	s := serve(t, Config{Keys: []Key{{"one", secret}}, Stall: 100 * time.Millisecond}, echo)
	got := s.raw(t, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n{")
	if !strings.HasPrefix(got, "HTTP/1.1 401 ") || !strings.Contains(got, "Connection: close") {
		t.Errorf("%q", got)
	}
}

// TestAnswerWithoutTheBody: a handler that answers at length and reads nothing
// is not held up by a body that never comes.
func TestAnswerWithoutTheBody(t *testing.T) {
	s := serve(t, Config{Loopback: true, Stall: 200 * time.Millisecond}, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.CopyN(w, zeros{}, 1<<16)
	}))
	got := s.raw(t, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{")
	if !strings.HasPrefix(got, "HTTP/1.1 200 ") || len(got) < 1<<16 {
		t.Errorf("%.100q, %d bytes", got, len(got))
	}
}

// TestRefusedKeepsConnection: a body that came is read past, and the next
// request on the connection is answered.
func TestRefusedKeepsConnection(t *testing.T) {
	s := serve(t, Config{Keys: []Key{{"one", secret}}}, echo)
	got := s.raw(t, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}"+
		"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-API-Key: "+secret+"\r\nContent-Length: 2\r\n\r\n{}")
	if strings.Count(got, "HTTP/1.1 401 ") != 1 || strings.Count(got, "HTTP/1.1 200 ") != 1 {
		t.Errorf("%q", got)
	}
}

// TestSlowReader: a client that takes nothing of a response does not keep its
// handler for ever.
func TestSlowReader(t *testing.T) {
	failed := make(chan error, 1)
	s := serve(t, Config{Loopback: true, Stall: 100 * time.Millisecond}, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, err := io.Copy(w, io.LimitReader(zeros{}, 1<<30))
		failed <- err
	}))
	conn := s.dial(t)
	fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
	select {
	case err := <-failed:
		if err == nil {
			t.Error("1 GiB was taken by nobody")
		}
	case <-time.After(time.Minute):
		t.Error("the handler still writes")
	}
}

// TestLateAnswer: a handler that is silent for long, after a first piece, can
// still send the rest.
func TestLateAnswer(t *testing.T) {
	const stall = 100 * time.Millisecond
	s := serve(t, Config{Loopback: true, Stall: stall}, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "first ")
		w.(http.Flusher).Flush()
		time.Sleep(3 * stall)
		fmt.Fprint(w, "last")
		time.Sleep(3 * stall)
	}))
	if resp, text := s.do(t, "GET", "/", ""); resp.StatusCode != http.StatusOK || text != "first last" {
		t.Errorf("%s %q", resp.Status, text)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// TestRecorder: a writer without deadlines and without Flush works as well.
func TestRecorder(t *testing.T) {
	d, err := New(Config{Loopback: true})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, "http://localhost/", strings.NewReader("{}"))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	d.Wrap(echo, refuseJSON).ServeHTTP(w, r)
	if w.Code != 200 || w.Body.String() != "{}" {
		t.Errorf("%d %q", w.Code, w.Body)
	}
}
