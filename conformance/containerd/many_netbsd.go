package containerd

// Many containers at once.

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	h "github.com/netbsd-cells/runcell/conformance/harness"
)

const (
	// few is how many containers there are every day; TRIES says more.
	few    = 20
	atOnce = 4
)

var many = []h.Case{{
	Name: "many/at-once", Clause: "ctr run --rm", Timeout: max(session, h.Long(few, time.Minute)),
	Does: "many containers, four at a time: each has its output, whole, and nothing is left", Run: func(t *t) {
		d := with(t)
		next := make(chan int)
		var wg sync.WaitGroup
		for range atOnce {
			wg.Go(func() {
				for i := range next {
					id := fmt.Sprintf("many-%d", i)
					var log []string // every other one has a client that reads
					if i%2 == 0 {
						log = []string{"--log-uri", "file://" + t.Path("logs", id)}
					}
					r := d.ctr(slices.Concat([]string{"run", "--rm"}, log, []string{image, id, h.ProbePath, "lines", "100", ";", "say", id})...)
					if text := r.Stdout + readIfThere(t.Path("logs", id)); r.Code != 0 || strings.Count(text, "\n") != 101 || !strings.HasSuffix(text, "line 100\n"+id+"\n") {
						t.Errorf("container %d: %s, output %q", i, r, text)
					}
				}
			})
		}
		n := t.Tries(few)
		for i := range n {
			next <- i
		}
		close(next)
		wg.Wait()
		if r := d.ok("containers", "ls", "-q"); strings.TrimSpace(r.Stdout) != "" {
			t.Errorf("containers are left: %s", r)
		}
		if r := d.ok("snapshots", "ls"); strings.Contains(r.Stdout, "Active") {
			t.Errorf("snapshots are left: %s", r)
		}
		t.Note(fmt.Sprintf("%d containers, %d at a time", n, atOnce))
	},
}}
