package host

// The core as a program that answers questions, with the sanitizers watching.

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/netbsd-cells/runcell/kmod/wire"
)

const module = ".." // the module's sources

// tmp is where programs are compiled to.
var tmp string

func TestMain(m *testing.M) {
	var err error
	if tmp, err = os.MkdirTemp("", "runcell-core-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		panic(err)
	}
	defer func() { _ = os.RemoveAll(tmp) }()
	m.Run()
}

// compile also makes go test see what only the compiler reads: it takes a
// result for current as long as the files that a test looked at are.
func compile(source, out string, release Release, flags ...string) error {
	for _, pattern := range []string{"*.[ch]", "host/prog/*.c"} {
		files, err := filepath.Glob(filepath.Join(module, pattern))
		if err != nil {
			return err
		}
		for _, f := range files {
			if _, err := os.Stat(f); err != nil {
				return err
			}
		}
	}
	return Compile(module, source, out, release, append(flags, sanitizers...)...)
}

var sanitizers = []string{"-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"}

// allSymbols is a release that has every symbol of the table.
var allSymbols = NewRelease()

// program is compiled once for all tests of a process.
var program = sync.OnceValues(func() (string, error) {
	out := filepath.Join(tmp, "core_host")
	return out, compile("core_host.c", out, allSymbols)
})

// Kinds of questions, as in core_host.c.
const (
	opFlush uint32 = iota
	opDecide
	opAsked
	opProfile
	opCreate
	opPolicy
	opSock
	opBind
	opReserve
	opRelease
	opTaken
	opReset
	opOverlap
)

// question is one of core_host.c's; more is what its kind adds to the head.
type question struct {
	op, a, b, c uint32
	d, e        uint64
	more        []byte
}

// answer: family, proto, port and addr are those of a cell_sock.
type answer struct {
	Value         uint64
	Family, Proto uint8
	Port          uint16
	Addr          [16]byte
	Zero          uint32
}

const answerSize = 32

// core is a running core_host.
type core struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	stderr bytes.Buffer
}

func startCore(t testing.TB) *core {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	c := &core{cmd: &exec.Cmd{Path: path, Args: []string{"core_host"}, Env: []string{"ASAN_OPTIONS=detect_leaks=0"}}}
	c.cmd.Stderr = &c.stderr
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.out = bufio.NewReaderSize(out, 1<<16)
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.in.Close()
		if err := c.cmd.Wait(); err != nil {
			t.Errorf("core_host: %v\n%s", err, c.stderr.String())
		}
	})
	return c
}

// ask gives an answer for each question.
func (c *core) ask(t testing.TB, questions ...question) []answer {
	t.Helper()
	var b []byte
	for _, q := range append(questions, question{op: opFlush}) {
		for _, v := range []uint32{q.op, q.a, q.b, q.c} {
			b = binary.NativeEndian.AppendUint32(b, v)
		}
		b = binary.NativeEndian.AppendUint64(b, q.d)
		b = binary.NativeEndian.AppendUint64(b, q.e)
		b = append(b, q.more...)
	}
	wrote := make(chan error, 1)
	go func() { // it answers while we ask: neither may wait for the other
		_, err := c.in.Write(b)
		wrote <- err
	}()
	raw := make([]byte, len(questions)*answerSize)
	if _, err := io.ReadFull(c.out, raw); err != nil {
		_ = c.in.Close()
		<-wrote
		t.Fatalf("core_host stopped answering: %v, %v\n%s", err, c.cmd.Wait(), c.stderr.String())
	}
	if err := <-wrote; err != nil {
		t.Fatal(err)
	}
	answers := make([]answer, len(questions))
	if err := binary.Read(bytes.NewReader(raw), binary.NativeEndian, answers); err != nil {
		t.Fatal(err)
	}
	return answers
}

// bytesOf gives a structure of the wire as the kernel sees it.
func bytesOf(t testing.TB, v any) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := binary.Write(&b, binary.NativeEndian, v); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// fromBytes reads a structure out of any bytes: the rest is 0, or too much.
func fromBytes[T wire.Create | wire.Policy](t testing.TB, b []byte) *T {
	t.Helper()
	v := new(T)
	full := make([]byte, binary.Size(v))
	copy(full, b)
	if err := binary.Read(bytes.NewReader(full), binary.NativeEndian, v); err != nil {
		t.Fatal(err)
	}
	return v
}

var defineLine = regexp.MustCompile(`(?m)^#define\t(CELL_\w+) +(\S+)$`)

// defines are the constants of a header.
func defines(t testing.TB, header string) map[string]uint64 {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(module, header))
	if err != nil {
		t.Fatal(err)
	}
	m := map[string]uint64{}
	for _, line := range defineLine.FindAllStringSubmatch(string(text), -1) {
		v, err := strconv.ParseUint(strings.TrimSuffix(line[2], "ULL"), 0, 64)
		if err != nil {
			t.Fatalf("%s: %v", line[0], err)
		}
		m[line[1]] = v
	}
	return m
}
