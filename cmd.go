package cupel

import "io"

// Cmd is one program to run in a sandbox.
type Cmd struct {
	// Args are the program and its arguments. A name without a slash is
	// looked up in PATH inside the sandbox. At least one is needed.
	Args []string
	// Env is added to, and wins over, the sandbox's environment.
	Env map[string]string
	// Dir is the directory to start in. Default: the Spec's.
	Dir string
	// User is "UID" or "UID:GID". Default: the Spec's.
	User string
	// Stdin is read until its end or the program's; nil is empty. Programs
	// get a pipe, never a file of the caller's.
	Stdin io.Reader
	// Stdout and Stderr receive the program's output as it comes, up to
	// Limits.Output bytes each; nil discards. Each is written by one
	// goroutine at a time, and not after Exec returns. An error from Write
	// is not the program's fault: the rest of the stream is dropped.
	Stdout, Stderr io.Writer
	// Limits tighten the Spec's; a field above the Spec's is refused.
	Limits Limits
}

// Validate checks what every engine needs: at least one argument, no NUL,
// an absolute Dir, a numeric User, sane Limits.
func (c Cmd) Validate() error {
	if len(c.Args) == 0 || c.Args[0] == "" {
		return Invalidf("args", "", "name the program to run")
	}
	for _, a := range c.Args {
		if hasNUL(a) {
			return Invalidf("args", a, "an argument holds no NUL")
		}
	}
	if c.Dir != "" && c.Dir != "/" {
		if err := cleanPath("dir", c.Dir); err != nil {
			return err
		}
	}
	if c.User != "" {
		if _, _, err := ParseUser(c.User); err != nil {
			return err
		}
	}
	if err := c.Limits.Validate(); err != nil {
		return err
	}
	return validateEnv(c.Env)
}

func hasNUL(s string) bool {
	for i := range len(s) {
		if s[i] == 0 {
			return true
		}
	}
	return false
}
