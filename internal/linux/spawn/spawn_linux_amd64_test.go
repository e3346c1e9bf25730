package spawn

import (
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestRunsCallsAndStoresResults(t *testing.T) {
	var p Program
	var pid, missing uintptr
	p.Keep(&pid)
	p.Keep(&missing)
	p.Call("ask the pid", unix.SYS_GETPID).Store(&pid)
	p.Call("close nothing", unix.SYS_CLOSE, 1<<20).Tolerate().Store(&missing)
	p.Call("end", unix.SYS_EXIT_GROUP, 7)
	child, err := p.Start(0)
	if err != nil {
		t.Fatal(err)
	}
	ws, _, err := Wait(child)
	if err != nil || ws.ExitStatus() != 7 {
		t.Fatalf("status %v, %v", ws, err)
	}
	if int(pid) != child || int(missing) != -int(syscall.EBADF) || p.Failure() != nil {
		t.Fatalf("pid %d of %d, close gave %d, failure %v", pid, child, int(missing), p.Failure())
	}
}

func TestNamesTheCallThatFailed(t *testing.T) {
	var p Program
	p.Call("fine", unix.SYS_GETPID)
	p.Call("close nothing", unix.SYS_CLOSE, 1<<20)
	p.Call("end", unix.SYS_EXIT_GROUP, 0)
	child, err := p.Start(0)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := Wait(child); err != nil {
		t.Fatal(err)
	}
	f := p.Failure()
	if f == nil || f.Name != "close nothing" || syscall.Errno(f.Errno) != syscall.EBADF {
		t.Fatalf("failure %+v", f)
	}
}

// The child runs while the parent does; a nested clone runs its own branch and
// is the grandparent's child.
func TestWordReleasesAndNestedCloneIsOurs(t *testing.T) {
	var p Program
	w, live, pid := new(Word), new(Word), new(uint32)
	*live = 1
	p.Keep(live)
	p.Keep(pid)
	p.WaitOp("wait", w)
	args := &CloneArgs{Flags: unix.CLONE_PARENT | unix.CLONE_PARENT_SETTID | unix.CLONE_CHILD_CLEARTID,
		ParentTID: uint64(Ptr(pid)), ChildTID: uint64(Ptr(live))}
	p.Clone("clone", args, p.Next()+2)
	p.Call("end of the child", unix.SYS_EXIT_GROUP, 1)
	p.Call("end of the nested one", unix.SYS_EXIT_GROUP, 2)
	child, err := p.Start(0)
	if err != nil {
		t.Fatal(err)
	}
	Release(w)
	if ws, _, err := Wait(child); err != nil || ws.ExitStatus() != 1 {
		t.Fatalf("child: %v %v", ws, err)
	}
	AwaitClear(live)
	if ws, _, err := Wait(int(*pid)); err != nil || ws.ExitStatus() != 2 {
		t.Fatalf("nested: %v %v", ws, err)
	}
}

func BenchmarkStart(b *testing.B) {
	for b.Loop() {
		var p Program
		p.Call("end", unix.SYS_EXIT_GROUP, 0)
		child, err := p.Start(0)
		if err != nil {
			b.Fatal(err)
		}
		_, _, _ = Wait(child)
	}
}
