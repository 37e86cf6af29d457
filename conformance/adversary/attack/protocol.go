package attack

// What the adversary and the host say to each other, a line of JSON each.

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"

	"github.com/netbsd-cells/runcell/conformance/adversary/calls"
)

// Job is what the host wants to be done. It comes first.
type Job struct {
	Kind   string // which sweep
	From   int    // of its items, the first
	Only   string // items that match
	Handle []byte // a file handle of a file of the host
	World  World
}

// World has the values of names; Processes those of what changes its number
// when it is made anew.
type World struct {
	Processes map[string]int64 // of calls.Processes, and nobody
	Objects   calls.World
}

// Pass is something that was not refused, and at whom.
type Pass struct{ Name, At string }

// Said is what the adversary says of an item. The host answers with a World.
type Said struct {
	Item int
	Name string
	// Begin: it is tried now. The host does not answer.
	Begin  bool
	Tried  int      // attempts
	Passed []Pass   // what was not refused
	How    []string // the vectors that were not, for who decides about a line
	// Error ends the sweep: the adversary itself failed.
	Error string
	Done  bool
}

// Descriptors that host and adversary use: high, since attempts use the low
// ones.
const (
	HearFD = 50
	SayFD  = 51
	// MaxDescriptors is how many descriptors an adversary may have.
	MaxDescriptors = 128
)

// line is the connection to the host.
type line struct {
	in  *json.Decoder
	out *json.Encoder
}

func newLine() *line {
	return &line{json.NewDecoder(bufio.NewReader(os.NewFile(HearFD, "hear"))), json.NewEncoder(os.NewFile(SayFD, "say"))}
}

// say tells the host and waits for its world.
func (l *line) say(s Said) (World, error) {
	if err := l.out.Encode(s); err != nil {
		return World{}, fmt.Errorf("tell the host: %w", err)
	}
	var w World
	if err := l.in.Decode(&w); err != nil {
		return World{}, fmt.Errorf("hear the host: %w", err)
	}
	return w, nil
}
