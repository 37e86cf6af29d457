package main

import (
	"os"
	"testing"
)

// No image takes more memory than this, nor time that its bytes don't explain,
// whatever is in it.
func TestNastyImages(t *testing.T) {
	const mostRSS, mostWall = 100e6 / (1 << 20), 120 // MiB, seconds
	if _, err := os.Stat("/bin/busybox"); err != nil {
		t.Skip(err)
	}
	runcell, err := built()
	if err != nil {
		t.Fatal(err)
	}
	err = benchNasty(runcell, t.TempDir(), func(s spent) {
		t.Logf("%-45s %-7s %6.1f s %5.0f MiB", s.name, s.command, s.wall, s.rss)
		if s.err != nil || s.rss > mostRSS || s.wall > mostWall {
			t.Errorf("%s, %s: %.1f s, %.0f MiB, %v; want at most %d s, %.0f MiB", s.name, s.command, s.wall, s.rss, s.err, mostWall, mostRSS)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}
