package clients

// The cases: the sessions, and the commands of the pages.

import (
	"cmp"
	"embed"
	"fmt"
	"os"
	"path"
	"regexp"
	"strings"
	"time"

	"github.com/netbsd-cells/runcell/conformance/console"
	"github.com/netbsd-cells/runcell/conformance/harness"
	"github.com/netbsd-cells/runcell/docs"
)

// Suite is every session.
var Suite = &harness.Suite{
	Name: "clients", Compares: true, Expected: differences,
	Intro: "Each case is a session in `conformance/clients/sessions/`, or the commands of a page of this documentation. " +
		"It passes if it shows what it must, the same as with the peer, and leaves nothing behind.",
}

// Nerdctl is the sessions of nerdctl. They are a suite of their own, as Debian has
// neither nerdctl nor the containerd that it needs.
var Nerdctl = &harness.Suite{
	Name: "nerdctl", Compares: true,
	Intro: "Each case is a session in `conformance/clients/sessions/nerdctl.txt`, with containerd 2.4.2 and nerdctl 2.3.5. runcell and the peer are called by " +
		"containerd's own shim, `shim` is containerd-shim-runcell-v1. A case passes if it shows what it must, the same as with the peer, and leaves nothing behind.",
}

//go:embed sessions/*.txt
var files embed.FS

// Load reads the sessions into the suite.
func Load() error {
	names, err := files.ReadDir("sessions")
	if err != nil {
		return fmt.Errorf("list sessions: %w", err)
	}
	for _, n := range names {
		text, err := files.ReadFile(path.Join("sessions", n.Name()))
		if err != nil {
			return fmt.Errorf("read sessions: %w", err)
		}
		sections, err := console.ParseSections(string(text))
		if err != nil {
			return fmt.Errorf("%s: %w", n.Name(), err)
		}
		for _, s := range sections {
			group, _, _ := strings.Cut(s.Name, "/")
			in := Suite
			if n.Name() == "nerdctl.txt" {
				in = Nerdctl
			}
			in.Cases = append(in.Cases, session(s, tools[group]))
		}
	}
	return pages()
}

// pages makes a case of each page that shows commands of the tools (the group
// page), and of each that shows commands of the shim.
func pages() error {
	for _, kind := range []struct{ group, where string }{{"page", console.Tools}, {"shim", console.Shim}} {
		entries, err := docs.Pages.ReadDir(".")
		if err != nil {
			return fmt.Errorf("list pages: %w", err)
		}
		for _, e := range entries {
			text, err := docs.Pages.ReadFile(e.Name())
			if err != nil {
				return fmt.Errorf("read page: %w", err)
			}
			steps, err := console.Page(string(text), kind.where)
			if err != nil {
				return fmt.Errorf("docs/%s: %w", e.Name(), err)
			}
			if len(steps) > 0 {
				Suite.Cases = append(Suite.Cases, session(console.Section{
					Name: kind.group + "/" + strings.TrimSuffix(e.Name(), ".md"), Clause: "docs/" + e.Name(),
					Does: "the page's commands show what it says", Steps: steps,
				}, tools[kind.group]))
			}
		}
	}
	return nil
}

// forShim are the cases that need nothing but containerd and its shim.
var forShim = regexp.MustCompile(`^(ctr/|leftover/ctr$|nerdctl/|compose/|shim/)`)

// forOurs are the cases that name our shim, or that no other passes.
var forOurs = regexp.MustCompile(`^shim/|^ctr/last-event$`)

func session(s console.Section, prepare func(*machine)) harness.Case {
	return harness.Case{
		Name: s.Name, Clause: s.Clause, Does: s.Does, Timeout: 3 * time.Minute,
		Run: func(t *harness.T) {
			if isShim(t.Target.Path) && !forShim.MatchString(s.Name) {
				t.Skipf("only containerd calls a shim")
			}
			if !isShim(t.Target.Path) && forOurs.MatchString(s.Name) {
				t.Skipf("only our shim does, or is named")
			}
			m := newMachine(t)
			prepare(m)
			m.play(s.Steps)
		},
	}
}

// containers is how many the sessions of the group leftover start with each
// tool, one after the other and several at a time.
func containers() string { return cmp.Or(os.Getenv("CONTAINERS"), "20") }
