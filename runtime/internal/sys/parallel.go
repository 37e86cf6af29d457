package sys

// Many small things at a time.

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// A thread costs what some ten looks at a container do.
const share, mostThreads = 100, 4

// InParallel calls do with 0 to n-1, in any order, on as many threads as that many
// are worth and the machine can run.
func InParallel(n int, do func(i int)) {
	var next atomic.Int64
	work := func() {
		for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
			do(i)
		}
	}
	var others sync.WaitGroup
	for range min(n/share, mostThreads, runtime.GOMAXPROCS(0)) - 1 {
		others.Go(work)
	}
	work()
	others.Wait()
}
