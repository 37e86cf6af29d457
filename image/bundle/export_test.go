package bundle

import "os"

// WatchSync has see called with each tree that is written to the disk, before it
// is, until the test ends.
func WatchSync(tb interface{ Cleanup(func()) }, see func()) {
	old := syncTree
	tb.Cleanup(func() { syncTree = old })
	syncTree = func(f *os.File) error {
		see()
		return old(f)
	}
}
