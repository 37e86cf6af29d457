package main

import (
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// Of many that find a killed snapshotter's socket at once, one serves it, and those that
// find it served say so.
func TestListenAtOnce(t *testing.T) {
	const starts, rounds = 8, 50
	path := filepath.Join(t.TempDir(), "s", "socket")
	for range rounds {
		var made [starts]net.Listener
		var all sync.WaitGroup
		for i := range made {
			all.Go(func() {
				var err error
				if made[i], err = listen(path); err != nil && !strings.Contains(err.Error(), "somebody answers") {
					t.Error(err)
				}
			})
		}
		all.Wait()
		n := 0
		for _, l := range made {
			if l != nil {
				n++
			}
		}
		if c, err := net.Dial("unix", path); n != 1 || err != nil {
			t.Errorf("%d serve the socket, which answers: %v; want one", n, err)
		} else {
			_ = c.Close()
		}
		for _, l := range made { // it is killed
			if l != nil {
				l.(*net.UnixListener).SetUnlinkOnClose(false)
				_ = l.Close()
			}
		}
	}
}
