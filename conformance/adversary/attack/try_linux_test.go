package attack

import (
	"os"
	"slices"
	"testing"

	"github.com/netbsd-cells/runcell/conformance/adversary/calls"
	"golang.org/x/sys/unix"
)

// TestTry: how a call ends is told, whatever it does to its caller.
func TestTry(t *testing.T) {
	self := uintptr(os.Getpid())
	for name, x := range map[string]struct {
		attempt attempt
		want    Result
	}{
		"answers":           {attempt{number: unix.SYS_GETPID}, Passed},
		"refuses":           {attempt{number: unix.SYS_CLOSE, args: [6]uintptr{^uintptr(0)}}, Refused},
		"is not there":      {attempt{number: 999}, Missing},
		"ends":              {attempt{number: unix.SYS_EXIT_GROUP, args: [6]uintptr{3}}, Ended},
		"waits":             {attempt{number: unix.SYS_PPOLL}, Waits},
		"gives an errno":    {attempt{number: unix.SYS_GETPPID, returns: true}, Refused},
		"closes all":        {attempt{number: unix.SYS_CLOSE_RANGE, args: [6]uintptr{0, ^uintptr(0)}}, Passed},
		"asks about others": {attempt{number: unix.SYS_KILL, args: [6]uintptr{self, 0}}, Passed},
	} {
		got, err := native.try([]attempt{x.attempt})
		if err != nil || len(got) != 1 || got[0] != x.want {
			t.Errorf("a call that %s: %v, %v; want %v", name, got, err, x.want)
		}
	}
}

// TestTryMany: attempts are made in turn, whatever the one before did.
func TestTryMany(t *testing.T) {
	refused := attempt{number: unix.SYS_CLOSE, args: [6]uintptr{^uintptr(0)}}
	list := []attempt{
		refused, refused, {number: unix.SYS_GETPID}, refused, {number: unix.SYS_EXIT_GROUP}, {number: unix.SYS_PPOLL}, refused, {number: 999}, refused,
	}
	got, err := native.try(list)
	want := []Result{Refused, Refused, Passed, Refused, Ended, Waits, Refused, Missing}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("try = %v, %v; want %v", got, err, want)
	}
}

// TestItems: every number is an item, and is tried at each target.
func TestItems(t *testing.T) {
	for table, sweep := range map[string]func() ([]item, error){"netbsd": syscallItems, "linux": linuxItems} {
		items, err := sweep()
		if err != nil || len(items) != calls.Numbers {
			t.Errorf("%s: %d items, %v; want %d", table, len(items), err, calls.Numbers)
		}
	}
	list, err := calls.Table("netbsd")
	if err != nil {
		t.Fatal(err)
	}
	at := map[string]int{}
	for i := range list {
		seen := map[string]bool{}
		for _, s := range shots(&list[i]) {
			seen[s.at()] = true
		}
		for target := range seen {
			at[target]++
		}
	}
	for _, target := range []string{"-", "victim", "neighbour"} {
		if at[target] < calls.Numbers-8 || at["init"] < 10 {
			t.Errorf("%d calls are tried at %s; want each number, but for those that take it for something else", at[target], target)
		}
	}
}
