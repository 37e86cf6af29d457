package main

// The manual page and the program name the same commands and flags.

import (
	"io"
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/cmd/internal/cmdline"
	"github.com/netbsd-cells/runcell/cmd/internal/mantest"
)

func TestManualNamesEveryFlag(t *testing.T) {
	root := root(&cmdline.Program{Stdout: io.Discard, Stderr: io.Discard})
	if err := root.Run(t.Context(), []string{"runcell"}); err != nil { // its setup adds what the library adds
		t.Fatal(err)
	}
	mantest.Compare(t, "../../docs/runcell-image.8", root, func(section string) bool {
		return strings.HasPrefix(section, "image ") || strings.HasPrefix(section, "registry ")
	})
}
