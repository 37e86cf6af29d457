package agent

import (
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/netbsd-cells/runcell/conformance/kmod/node"
)

// answer plays the agent for one request.
func answer(t *testing.T, theirs [2]*os.File, r Reply) {
	var q Request
	if err := json.NewDecoder(theirs[0]).Decode(&q); err != nil {
		t.Errorf("read request: %v", err)
	}
	r.Text = q.Op
	if err := json.NewEncoder(theirs[1]).Encode(r); err != nil {
		t.Errorf("write reply: %v", err)
	}
	_, _ = theirs[0].Close(), theirs[1].Close()
}

// TestConn asks an agent that answers, and then ends.
func TestConn(t *testing.T) {
	c, theirs, err := NewConn()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	go answer(t, theirs, Reply{Reply: node.Reply{Errno: "EPERM", Size: 3}, Pids: []int{7}})
	if r := c.Ask(Request{Op: "hello"}, time.Minute); r.Result() != "EPERM" || r.Size != 3 || r.Text != "hello" || len(r.Pids) != 1 {
		t.Errorf("Ask = %+v; want what the agent wrote", r)
	}
	if r := c.Ask(Request{Op: "hello"}, time.Minute); r.Errno != Died || r.Detail == "" {
		t.Errorf("Ask an agent that ended = %+v; want %s", r, Died)
	}
}

// TestSilence asks one that does not answer.
func TestSilence(t *testing.T) {
	c, theirs, err := NewConn()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = theirs[0].Close(), theirs[1].Close() }()
	defer c.Close()
	if r := c.Ask(Request{Op: "hello"}, time.Millisecond); r.Errno != Died {
		t.Errorf("Ask = %+v; want %s", r, Died)
	}
}

func TestTakes(t *testing.T) {
	if n, ok := Takes("kill"); n != 2 || !ok {
		t.Errorf("Takes(kill) = %d, %v; want 2, true", n, ok)
	}
	if _, ok := Takes("nothing"); ok {
		t.Errorf("Takes(nothing) = true; want false")
	}
}
