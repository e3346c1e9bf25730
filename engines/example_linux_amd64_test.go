package engines_test

import (
	"context"
	"fmt"
	"os"

	"cupel.dev/cupel"
	"cupel.dev/cupel/engines"
)

// Running one program in a fresh sandbox.
func Example() {
	ctx := context.Background()
	engine, err := engines.Open(ctx, "", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer engine.Close()
	sandbox, err := engine.Create(ctx, cupel.Spec{})
	if err != nil {
		fmt.Println(err)
		return
	}
	res, err := sandbox.Exec(ctx, cupel.Cmd{Args: []string{"echo", "hello"}, Stdout: os.Stdout})
	fmt.Println(res.Status, err)
	// Output:
	// hello
	// ok <nil>
}
