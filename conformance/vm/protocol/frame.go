package protocol

// The report: one frame a line. A line of text from a kernel can get between
// any two bytes on the console, so each frame is numbered and has a checksum:
// what is lost or damaged is noticed, and is never taken for a success.

import (
	"encoding/json"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Kind says what a frame is about.
type Kind string

// The kinds of frames, in the order in which a guest sends them.
const (
	Hello  Kind = "hello"  // Machine
	Begin  Kind = "begin"  // a step's name
	Out    Kind = "out"    // a line of the step's standard output
	Err    Kind = "err"    // a line of its standard error
	Alive  Kind = "alive"  // nothing happened for some seconds, but the guest runs
	Counts Kind = "counts" // Counters
	Result Kind = "result" // Outcome
	Bye    Kind = "bye"    // the plan is over; a text if something went wrong
)

var kinds = map[Kind]bool{Hello: true, Begin: true, Out: true, Err: true, Alive: true, Counts: true, Result: true, Bye: true}

// Machine is what the guest says about itself.
type Machine struct {
	System  string `json:"system"`  // kern.ostype
	Release string `json:"release"` // kern.osrelease
	Version string `json:"version"` // kern.version, its first line
	Machine string `json:"machine"` // hw.machine_arch
	CPUs    int    `json:"cpus"`
	Memory  uint64 `json:"memory"` // bytes
}

// Outcome is how a step ended.
type Outcome struct {
	Step    string  `json:"step"`
	OK      bool    `json:"ok"`
	Detail  string  `json:"detail,omitempty"` // why not
	Seconds float64 `json:"seconds"`
}

// Counters are numbers of the kernel that should be the same after the same
// work: name to value, in units of the name's own.
type Counters map[string]int64

// Frame is one line of the report.
type Frame struct {
	Seq  int // from 1
	Kind Kind
	Text string
}

// mark begins every frame.
const mark = "\x1evm "

// MaxText is the number of bytes of text in one frame; longer lines are cut.
const MaxText = 8192

// String is the line without its end.
func (f Frame) String() string {
	body := f.body()
	return mark + checksum(body) + " " + body
}

func (f Frame) body() string {
	return strconv.Itoa(f.Seq) + " " + string(f.Kind) + " " + f.Text
}

func checksum(body string) string {
	return fmt.Sprintf("%08x", crc32.ChecksumIEEE([]byte(body)))
}

// Clean makes a line fit for a frame: no control characters, no end of line,
// valid UTF-8, not longer than MaxText.
func Clean(line string) string {
	if len(line) > MaxText {
		line = line[:MaxText]
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' || r == 0x7f || r == utf8.RuneError {
			return '?'
		}
		return r
	}, strings.TrimRight(line, "\r\n"))
}

// ParseFrame reads a line. A line that isn't a frame is none, without an
// error: a kernel's message.
func ParseFrame(line string) (f Frame, found bool, err error) {
	at := strings.Index(line, mark)
	if at < 0 {
		return Frame{}, false, nil
	}
	rest := strings.TrimRight(line[at+len(mark):], "\r\n")
	sum, body, ok := strings.Cut(rest, " ")
	if !ok || at > 0 || sum != checksum(body) {
		return Frame{}, true, fmt.Errorf("read report: a line is damaged: %.60q", line)
	}
	seq, rest, _ := strings.Cut(body, " ")
	kind, text, ok := strings.Cut(rest, " ")
	n, err := strconv.Atoi(seq)
	if !ok || err != nil || n < 1 || !kinds[Kind(kind)] {
		return Frame{}, true, fmt.Errorf("read report: a line means nothing: %.60q", line)
	}
	return Frame{Seq: n, Kind: Kind(kind), Text: text}, true, nil
}

// Encode makes a frame's text of a value.
func Encode(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // the types above can't fail
	}
	return string(b)
}
