package console

// The blocks of a page: each says what it is and, if it is a command, where it can
// be typed, in the words behind the fence.

import (
	"fmt"
	"slices"
	"strings"
)

// Where a block's commands are typed.
const (
	Linux  = "linux"      // in a directory of the page's own, with the project's programs
	NetBSD = "netbsd"     // the same on a NetBSD kernel
	Port   = "containerd" // on a NetBSD kernel, with containerd's port
	Tools  = "tools"      // on Linux, with podman, buildah, containerd
	Shim   = "shim"       // on Linux, by containerd's shim
	CI     = "ci"         // it is a line of what CI runs
	Hand   = "hand"       // nowhere by itself: the test has the reason
)

var wheres = []string{Linux, NetBSD, Port, Tools, Shim, CI, Hand}

// kinds are the words that can follow a fence. A block of a console or of a shell
// is commands; of the others, text is all that nobody types: output, drawings,
// lines of files without a format.
var kinds = []string{"console", "sh", "text", "json", "yaml", "toml", "npf", "rc.conf", "policy"}

// Block is one of a page.
type Block struct {
	Line  int // of the fence, from 1
	Kind  string
	Where []string // none if it is no command
	Text  []string
}

// Steps are the block's commands. What a shell's block prints is not told.
func (b *Block) Steps() ([]Step, error) {
	switch b.Kind {
	case "console":
		return ParseSession(b.Text, b.Line+1)
	case "sh":
		return []Step{{Line: b.Line + 1, Command: "set -e\n" + strings.Join(b.Text, "\n"), Want: []string{anything}}}, nil
	}
	return nil, nil
}

// Blocks reads the blocks of a page, all of which must say what they are.
func Blocks(text string) ([]Block, error) {
	var blocks []Block
	var open *Block
	for i, line := range strings.Split(text, "\n") {
		info, fence := strings.CutPrefix(line, "```")
		switch {
		case fence && open == nil:
			open = &Block{Line: i + 1}
			if err := open.read(strings.Fields(info)); err != nil {
				return nil, fmt.Errorf("line %d: %w", i+1, err)
			}
		case fence && info == "":
			blocks, open = append(blocks, *open), nil
		case open != nil:
			open.Text = append(open.Text, line)
		}
	}
	if open != nil {
		return nil, fmt.Errorf("line %d: the block has no end", open.Line)
	}
	return blocks, nil
}

// read takes the words behind a fence.
func (b *Block) read(words []string) error {
	if len(words) == 0 || !slices.Contains(kinds, words[0]) {
		return fmt.Errorf("read block %q: it must begin with one of %q", words, kinds)
	}
	b.Kind, b.Where = words[0], words[1:]
	typed := b.Kind == "console" || b.Kind == "sh"
	for _, w := range b.Where {
		if !typed || !slices.Contains(wheres, w) {
			return fmt.Errorf("read block %q: %q: commands (console, sh) say where they are typed, one or more of %q, and nothing else does", words, w, wheres)
		}
	}
	if typed && len(b.Where) == 0 {
		return fmt.Errorf("read block %q: where is it typed? One or more of %q", words, wheres)
	}
	return nil
}

// Page gives the steps of a page that are typed somewhere: they are one session.
func Page(text, where string) ([]Step, error) {
	blocks, err := Blocks(text)
	var steps []Step
	for _, b := range blocks {
		if !slices.Contains(b.Where, where) {
			continue
		}
		s, err := b.Steps()
		if err != nil {
			return nil, err
		}
		steps = append(steps, s...)
	}
	return steps, err
}
