package attack

import (
	"os"
	"slices"
	"testing"

	"github.com/netbsd-cells/runcell/conformance/adversary/calls"
	"golang.org/x/sys/unix"
)

// TestCallAtProcesses: a call that tells of processes passes at each that is
// there; one that does not look at its argument passes at none.
func TestCallAtProcesses(t *testing.T) {
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chdir(dir) })
	a := &attacker{}
	a.job.World.Processes = map[string]int64{"victim": int64(os.Getpid()), "neighbour": int64(os.Getppid()), "init": 1, nobody: 1 << 22}
	if err := a.prepare(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(a.scene.dir) })
	at := func(s ...string) (v []calls.Vector) {
		for _, target := range s {
			arg, err := calls.ParseArg(calls.Target)
			if err != nil {
				t.Fatal(err)
			}
			v = append(v, calls.Vector{Target: target, Args: []calls.Arg{arg}})
		}
		return v
	}
	for _, x := range []struct {
		call calls.Call
		want []string
	}{
		{calls.Call{Number: unix.SYS_GETSID, Name: "getsid", Vectors: at(calls.Process, calls.Process)}, calls.Processes},
		{calls.Call{Number: unix.SYS_GETPID, Name: "getpid", Vectors: at(calls.Process)}, nil},
	} {
		f, err := a.call(&x.call)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, p := range f.passed {
			got = append(got, p.At)
		}
		if !slices.Equal(got, x.want) {
			t.Errorf("%s passes at %v; want %v", x.call.Name, got, x.want)
		}
	}
}
