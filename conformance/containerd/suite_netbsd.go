package containerd

// The cases, and how long they may take.

import (
	"cmp"
	"slices"
	"time"

	h "github.com/netbsd-cells/runcell/conformance/harness"
)

type (
	t    = h.T
	call = h.Cmd
)

// Suite is every case, group by group.
var Suite = &h.Suite{
	Name: "containerd", Cases: timed(slices.Concat(daemons, images, runs, execs, execStdin, terminals, restarts, powerCuts, nerdctls, composes, snapshots, many)),
	Intro: "Clauses are the commands of ctr and nerdctl.",
}

// Programs of 30 MB, each started anew for each command, on an emulated
// processor of a machine that may have much else to do, which the guest can't
// see. Limits end only what would never end.
const (
	session = 4 * time.Minute // a case
	change  = time.Minute     // what a case waits for
)

// timed gives the cases their time, in which their containerd is ended, too.
func timed(cases []h.Case) []h.Case {
	for i := range cases {
		run := cases[i].Run
		cases[i].Timeout = cmp.Or(cases[i].Timeout, session)
		cases[i].Run = func(t *t) {
			defer func() {
				if current != nil {
					current.end()
				}
			}()
			run(t)
		}
	}
	return cases
}

// eventually polls until ok says true; a failure ends the case.
func eventually(t *t, ok func() bool, format string, args ...any) {
	for deadline := time.Now().Add(t.Limit(change)); !ok(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("in vain: "+format, args...)
		}
	}
}
