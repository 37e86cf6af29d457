package main

// The manual page and the program name the same commands and flags.

import (
	"io"
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/cmd/internal/mantest"
)

func TestManualNamesEveryFlag(t *testing.T) {
	// The line makes the tree whole; its setup adds what the library adds.
	a := newApp()
	a.Stdout = io.Discard
	root := a.root([]string{"runcell", "completion"})
	if err := root.Run(t.Context(), []string{"runcell", "--version"}); err != nil {
		t.Fatal(err)
	}
	mantest.Compare(t, "../../docs/runcell.8", root, func(section string) bool {
		return !strings.HasPrefix(section, "image") && !strings.HasPrefix(section, "registry") && !strings.HasPrefix(section, "service")
	})
	mantest.Compare(t, "../../docs/runcell-service.8", root, func(section string) bool { return strings.HasPrefix(section, "service ") })
}
