package enginetest

import (
	"fmt"
	"sync"
)

func parallelRequirements() []requirement {
	return []requirement{
		{"several Execs in one sandbox run at once", parallelInOne},
		{"Execs in one sandbox share its files", sharedFiles},
		{"Execs in one sandbox don't reach each other's processes", apartInOne},
		{"many sandboxes with many Execs each", manySandboxes},
		{"sandboxes are made and closed at once", churn},
		{"Put and Get work beside Execs", filesBesideExecs},
	}
}

// together runs fs at once and waits for all.
func together(fs ...func()) {
	var wg sync.WaitGroup
	for _, f := range fs {
		wg.Go(f)
	}
	wg.Wait()
}

// parallelInOne can only end when all programs run at the same time: each
// waits for the files of all others.
func parallelInOne(c *check) {
	sb := c.sandbox(inWork())
	var fs []func()
	for i := range 4 {
		fs = append(fs, func() {
			c.sh(sb, fmt.Sprintf("touch here%d; while ! [ -e here0 -a -e here1 -a -e here2 -a -e here3 ]; do sleep 0.01; done; echo out%d; exit %d", i, i, i)).
				exits(c, i).says(c, fmt.Sprintf("out%d\n", i))
		})
	}
	together(fs...)
}

func sharedFiles(c *check) {
	sb := c.sandbox(inWork())
	together(
		func() {
			c.sh(sb, "while [ ! -e question ]; do sleep 0.01; done; cat question; echo fine > reply").ok(c).says(c, "how\n")
		},
		func() {
			c.sh(sb, "echo how > q; mv q question; while [ ! -s reply ]; do sleep 0.01; done; cat reply").ok(c).says(c, "fine\n")
		},
	)
}

// apartInOne lets one program kill all it can and end, while another goes on.
func apartInOne(c *check) {
	sb := c.sandbox(inWork())
	together(
		func() {
			c.sh(sb, "touch ready; while [ ! -e killed ]; do sleep 0.01; done; sleep 0.2; exit 4").exits(c, 4)
		},
		func() {
			c.sh(sb, `while [ ! -e ready ]; do sleep 0.01; done; kill -9 -1; i=2
				while [ $i -lt 300 ]; do [ $i = $$ ] || kill -9 $i; i=$((i+1)); done 2>/dev/null; touch killed; exit 5`).exits(c, 5)
		},
	)
}

func manySandboxes(c *check) {
	var fs []func()
	for i := range 8 {
		sb := c.sandbox(inWork())
		for j := range 4 {
			fs = append(fs, func() {
				me := fmt.Sprintf("%d-%d", i, j)
				c.sh(sb, fmt.Sprintf("echo %s > f%d; sleep 0.05; cat f%d; echo %s >&2; exit %d", me, j, j, me, i)).
					exits(c, i).says(c, me+"\n")
			})
		}
	}
	together(fs...)
}

func churn(c *check) {
	var fs []func()
	for range 8 {
		fs = append(fs, func() {
			for range 5 {
				sb, err := c.suite.engine.Create(c.ctx, c.spec())
				if err != nil {
					c.Errorf("create: %v", err)
					return
				}
				c.sh(sb, "echo mine > /tmp/f; ls /tmp").ok(c).says(c, "f\n")
				if err := sb.Close(); err != nil {
					c.Errorf("close: %v", err)
				}
			}
		})
	}
	together(fs...)
}

func filesBesideExecs(c *check) {
	sb := c.sandbox(inWork())
	var fs []func()
	for i := range 4 {
		fs = append(fs,
			func() { c.sh(sb, "for i in 1 2 3 4 5; do echo x > busy; sleep 0.01; done").ok(c) },
			func() {
				dir := fmt.Sprintf("/work/d%d", i)
				for j := range 10 {
					body := fmt.Sprint(i, j)
					if err := sb.Put(c.ctx, dir, c.pack(file("f", body))); err != nil {
						c.Errorf("put: %v", err)
						return
					}
					if got, _, err := c.tryGet(sb, dir+"/f"); err != nil || got["f"].body != body {
						c.Errorf("got %v, %v, want %q", got, err, body)
					}
				}
			})
	}
	together(fs...)
}
