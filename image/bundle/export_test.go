package bundle

import "os"

// WatchSync has see called with each file system that is written to the disk,
// before it is, until the test ends.
func WatchSync(tb interface{ Cleanup(func()) }, see func()) {
	old := syncFS
	tb.Cleanup(func() { syncFS = old })
	syncFS = func(f *os.File) error {
		see()
		return old(f)
	}
}
