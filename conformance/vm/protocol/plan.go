package protocol

// The plan that the guest carries out, as data.

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// Where the guest finds things, relative to the root of its image.
const (
	PlanPath   = "etc/plan"
	AgentPath  = "sbin/init"
	ProgramDir = "vm"        // the suites' programs
	ModuleDir  = "stand"     // kernel modules
	FirstPort  = "dev/tty00" // serial ports, as the kernel numbers them
	SecondPort = "dev/tty01"
	// FirstStep is a disk that has the number of the step, from 0, with which a
	// guest begins whose plan cuts its power: a line of text. Its own file system
	// could have lost it.
	FirstStep = "dev/rwd1d"
)

// SectorSize is what is read of that disk, in bytes.
const SectorSize = 512

// Action is what a step does.
type Action string

// The actions.
const (
	Exec      Action = "exec"      // runs a program
	ModLoad   Action = "modload"   // loads the kernel module in Args[0], a file
	ModUnload Action = "modunload" // unloads the kernel module in Args[0], a name
	Count     Action = "count"     // reports the kernel's counters
	PowerCut  Action = "powercut"  // waits for the host to end the machine and start it again
)

// Plan is what the guest is to do.
type Plan struct {
	// Hostname is the name that the guest takes.
	Hostname string `json:"hostname"`
	Steps    []Step `json:"steps"`
}

// Step is one thing to do. Loops are written out: the guest knows none.
type Step struct {
	Name string `json:"name"` // unique in its plan
	Do   Action `json:"do"`
	// Args are the program (a path in the guest) and its arguments.
	Args []string `json:"args,omitempty"`
	Env  []string `json:"env,omitempty"`
	// Timeout is in seconds. At its end the program's process group is killed.
	Timeout int `json:"timeout,omitempty"`
	// TAP says that the program's stdout is a TAP document that must be
	// complete and free of failures.
	TAP bool `json:"tap,omitempty"`
	// Quiet: the host shows the test points that failed only.
	Quiet bool `json:"quiet,omitempty"`
	// Must: when the step fails, those after it make no sense.
	Must bool `json:"must,omitempty"`
	// Round counts the repetitions of a step from 1; 0 is no repetition.
	Round int `json:"round,omitempty"`
}

// Limit is the step's timeout as a duration.
func (s *Step) Limit() time.Duration {
	return time.Duration(s.Timeout) * time.Second
}

// ParsePlan reads and checks a plan.
func ParsePlan(b []byte) (*Plan, error) {
	p := &Plan{}
	if err := json.Unmarshal(b, p); err != nil {
		return nil, fmt.Errorf("read plan: %w", err)
	}
	return p, p.Check()
}

// CutsPower tells whether the machine of a plan boots more than once.
func (p *Plan) CutsPower() bool {
	return slices.ContainsFunc(p.Steps, func(s Step) bool { return s.Do == PowerCut })
}

// FirstOf reads the number of a step that the host has written to FirstStep.
func (p *Plan) FirstOf(sector []byte) (int, error) {
	line, _, found := bytes.Cut(sector, []byte("\n"))
	n, err := strconv.Atoi(string(line))
	if !found || err != nil || n < 0 || n >= len(p.Steps) {
		return 0, fmt.Errorf("read first step: %.20q is none of %d steps", line, len(p.Steps))
	}
	return n, nil
}

// Check says what is wrong with a plan.
func (p *Plan) Check() error {
	if len(p.Steps) == 0 {
		return errors.New("check plan: it has no steps")
	}
	names := map[string]bool{}
	for _, s := range p.Steps {
		if err := s.check(); err != nil {
			return fmt.Errorf("check step %q: %w", s.Name, err)
		}
		if names[s.Name] {
			return fmt.Errorf("check step %q: another step has the same name", s.Name)
		}
		names[s.Name] = true
	}
	return nil
}

func (s *Step) check() error {
	if s.Name == "" {
		return errors.New("it has no name")
	}
	switch s.Do {
	case Exec:
		if len(s.Args) == 0 || s.Timeout <= 0 {
			return errors.New("exec needs args and a timeout in seconds")
		}
	case ModLoad, ModUnload:
		if len(s.Args) != 1 {
			return fmt.Errorf("%s needs exactly one argument, not %q", s.Do, s.Args)
		}
	case Count, PowerCut:
	default:
		return fmt.Errorf("do %q: known are exec, modload, modunload, count, powercut", s.Do)
	}
	if s.TAP && s.Do != Exec {
		return fmt.Errorf("only a program can print TAP, not %s", s.Do)
	}
	return nil
}
