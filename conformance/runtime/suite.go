package runtime

// The list of cases.

import (
	"slices"

	"github.com/netbsd-cells/runcell/conformance/harness"
)

// Suite is every case, in the order of a container's life.
var Suite = &harness.Suite{
	Name: "runtime",
	Cases: slices.Concat(
		lifecycle, create, config, state, kill, deletes, hooks,
		process, identity, root, mounts, mountKinds,
		pidFile, console, terminals, runs, signals, execs, pauses, waits, recovers, usage, escapes, onNetBSD, networks, images, logs, concurrency, luck, callers, questions,
	),
	Expected: differences,
	Intro:    "Each case names the clause of runtime-spec 1.3 that it tests, or the caller whose contract it is.",
}

// The harness's words that every case uses.
type (
	t    = harness.T
	mod  = harness.Mod
	call = harness.Cmd
)

var linux = harness.Linux
