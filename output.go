package cupel

import (
	"bytes"
	"context"
)

// Output runs cmd in sb and returns what it wrote. Limits.Output bounds both
// streams; cmd.Stdout and cmd.Stderr are replaced.
func Output(ctx context.Context, sb Sandbox, cmd Cmd) (res Result, stdout, stderr []byte, err error) {
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	res, err = sb.Exec(ctx, cmd)
	return res, out.Bytes(), errOut.Bytes(), err
}
