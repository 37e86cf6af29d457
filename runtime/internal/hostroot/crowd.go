package hostroot

// How many mounts a host bears. NetBSD's syncer looks at every mount once a second,
// and finds its own note about each in a list that has all of them (sched_sync in
// sys/kern/vfs_subr.c, fstrans_alloc_lwp_info in vfs_trans.c), so that its time
// grows with the square of their number. Once it takes more than a second it never
// rests: a host with one processor then does nothing else, as a thread of the kernel
// comes before all programs, and with several each unmount takes minutes.

import (
	"fmt"
	"math"
	goruntime "runtime"
	"time"
)

// maxWalk is how long the kernel may take to go through all mounts, in processor
// time: of each second the syncer has a third then. What a host bears so depends on
// how fast it is.
const maxWalk = 300 * time.Millisecond

// walks are how often that is tried. The first time the kernel notes every mount for
// the thread, which takes several times as long; the syncer's thread has them all.
// And in a virtual machine whose host has other work to do a processor's time runs on
// while it has none.
const walks = 5

// checkCrowd refuses one more root where the kernel has enough to do with the mounts
// that are there.
func checkCrowd(k Kernel) error {
	goruntime.LockOSThread()
	defer goruntime.UnlockOSThread()
	var mounts int
	least := time.Duration(math.MaxInt64)
	for try := 0; try < walks && least > maxWalk; try++ {
		n, took, err := k.walk()
		if err != nil {
			return err
		}
		mounts, least = n, min(least, took)
	}
	if least > maxWalk {
		return fmt.Errorf("mount the root: it takes the kernel %d ms (at most %d) to go through the host's %d mounts, which it does every second, "+
			"and with more it would soon do nothing else: give cells fewer mounts, or run fewer of them", least.Milliseconds(), maxWalk.Milliseconds(), mounts)
	}
	return nil
}
