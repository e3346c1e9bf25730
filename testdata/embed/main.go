// Command embed shows how little it takes to run a program in cupel's sandbox
// from a module of one's own.
package main

import (
	"context"
	"fmt"
	"os"

	"cupel.dev/cupel"
	"cupel.dev/cupel/engines"
	"cupel.dev/cupel/service"
)

func main() {
	open := func(ctx context.Context, ref service.EngineRef) (cupel.Engine, error) {
		return engines.Open(ctx, ref.Name, ref.Config)
	}
	svc := service.New(service.Config{Open: open})
	defer svc.Close()
	pool, err := svc.Pool(context.Background(), service.PoolConfig{})
	if err == nil {
		err = pool.Run(context.Background(), func(ctx context.Context, sb cupel.Sandbox) error {
			res, err := sb.Exec(ctx, cupel.Cmd{Args: []string{"echo", "hello from inside"}, Stdout: os.Stdout})
			fmt.Println(res.Status)
			return err
		})
	}
	fmt.Println("error:", err)
}
