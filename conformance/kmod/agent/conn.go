package agent

// The way to an agent: requests and replies as lines of JSON, on pipes.

import (
	"encoding/json"
	"os"
	"time"

	"github.com/netbsd-cells/runcell/conformance/kmod/node"
)

// Request is what an agent is told.
type Request struct {
	Op   string   `json:"op"`
	Args []string `json:"args,omitempty"`
	// UID makes a child with this user id carry out the operation; 0 leaves
	// it to the operation.
	UID  int        `json:"uid,omitempty"`
	Node *node.Call `json:"node,omitempty"`
}

// Reply is what came of it.
type Reply struct {
	node.Reply

	Text string `json:"text,omitempty"`
	Pids []int  `json:"pids,omitempty"`
}

// Died stands in Errno when the agent did not answer.
const Died = "died"

func failed(err error) Reply { return Reply{Reply: node.Failed(err)} }

// Conn is the caller's end of an agent's streams.
type Conn struct {
	in, out *os.File
	dec     *json.Decoder
}

// NewConn makes the ends of an agent's streams: the caller's, and the agent's
// own input and output.
func NewConn() (*Conn, [2]*os.File, error) {
	inR, inW, err := Pipe()
	if err != nil {
		return nil, [2]*os.File{}, err
	}
	outR, outW, err := Pipe()
	if err != nil {
		_, _ = inR.Close(), inW.Close()
		return nil, [2]*os.File{}, err
	}
	return &Conn{in: inW, out: outR, dec: json.NewDecoder(outR)}, [2]*os.File{inR, outW}, nil
}

// Close closes the caller's end; an agent that waits for a request ends.
func (c *Conn) Close() { _, _ = c.in.Close(), c.out.Close() }

// Tell sends a request that has no answer.
func (c *Conn) Tell(q Request) error {
	b, err := json.Marshal(q)
	if err == nil {
		_, err = c.in.Write(append(b, '\n'))
	}
	return err
}

// Ask sends a request and waits at most limit for the reply. Without one,
// Errno is Died.
func (c *Conn) Ask(q Request, limit time.Duration) Reply {
	err := c.Tell(q)
	if err == nil {
		var r Reply
		if r, err = Within(limit, func() (r Reply, err error) {
			err = c.dec.Decode(&r)
			return r, err
		}); err == nil {
			return r
		}
	}
	return Reply{Reply: node.Reply{Errno: Died, Detail: err.Error()}}
}

// Takes says how many arguments an operation takes; ok says that there is one
// of that name on this system.
func Takes(op string) (args int, ok bool) {
	o, ok := operations()[op]
	return o.args, ok
}
