package stdio

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/containerd/log"
	"golang.org/x/sys/unix"
)

// dies is the argument with which this program is one that logs, and ends at once: there
// is no other program everywhere.
const dies = "dies"

func TestMain(m *testing.M) {
	if os.Args[len(os.Args)-1] == dies {
		_ = os.NewFile(5, "ready").Close()
		os.Exit(3)
	}
	os.Exit(m.Run())
}

func fifo(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// read gives all that a client reads until the end.
func read(path string) <-chan string {
	got := make(chan string, 1)
	go func() {
		text, _ := os.ReadFile(path)
		got <- string(text)
	}()
	return got
}

func ends(t *testing.T, got <-chan string, want string) {
	t.Helper()
	select {
	case text := <-got:
		if text != want {
			t.Errorf("read %q; want %q", text, want)
		}
	case <-time.After(20 * time.Second):
		t.Errorf("no end; want %q", want)
	}
}

func open(t *testing.T, spec Spec) *Streams {
	t.Helper()
	s := New(spec)
	if err := s.Open(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// A process that ends at once loses nothing, and a client that comes late meets
// it: both wait for each other.
func TestReaderComesLate(t *testing.T) {
	for _, copied := range []bool{false, true} {
		path := fifo(t)
		got := make(chan string, 1)
		go func() {
			time.Sleep(50 * time.Millisecond)
			text, _ := os.ReadFile(path)
			got <- string(text)
		}()
		s := open(t, Spec{Out: path, Copied: copied})
		_, out, _ := s.Files()
		if _, err := out.WriteString("all"); err != nil {
			t.Fatal(err)
		}
		s.Given()
		s.End()
		ends(t, got, "all")
	}
}

// A client that goes away takes nothing with it: another one reads on.
func TestReaderLeaves(t *testing.T) {
	path := fifo(t)
	first, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	s := open(t, Spec{Out: "fifo://" + path})
	_, out, _ := s.Files()
	_ = first.Close()
	if _, err := out.WriteString("kept"); err != nil {
		t.Fatalf("write without a reader: %v", err)
	}
	second, err := os.Open(path) // waits for nobody: we keep an end
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	got := make(chan string, 1)
	go func() {
		text, _ := io.ReadAll(second)
		got <- string(text)
	}()
	s.Given()
	s.End()
	ends(t, got, "kept")
}

// Another process that has the stream of one that has ended: what the first one
// wrote is read, and then comes the end.
func TestOutlived(t *testing.T) {
	path := fifo(t)
	got := read(path)
	s := open(t, Spec{Out: path, Copied: true})
	_, out, _ := s.Files()
	heir, err := unix.Dup(int(out.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(heir)
	text := strings.Repeat("x", 50_000)
	if _, err := out.WriteString(text); err != nil {
		t.Fatal(err)
	}
	s.Given()
	s.End()
	ends(t, got, text)
	s.Drain()
}

// Standard input ends when the client has left and CloseIn was called, in
// whatever order, and not before.
func TestIn(t *testing.T) {
	path := fifo(t)
	s := open(t, Spec{In: path})
	in, _, _ := s.Files()
	client, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.WriteString("typed"); err != nil {
		t.Fatal(err)
	}
	_ = client.Close()
	b := make([]byte, 10)
	if n, err := in.Read(b); string(b[:n]) != "typed" || err != nil {
		t.Errorf("read %q, %v", b[:n], err)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := in.Read(b)
		ended <- err
	}()
	select {
	case err := <-ended:
		t.Fatalf("a client that leaves ends the input: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	s.CloseIn()
	if err := <-ended; !errors.Is(err, io.EOF) {
		t.Errorf("read after CloseIn: %v; want the end", err)
	}
}

// A client that has said all before the program runs, empty or not, is not waited
// for; one that is still there is.
func TestInSaidBefore(t *testing.T) {
	for _, said := range []string{"", "all"} {
		path := fifo(t)
		s := open(t, Spec{In: path})
		own, _, _ := s.Files()
		fd, err := unix.Dup(int(own.Fd())) // the process has its own
		if err != nil {
			t.Fatal(err)
		}
		in := os.NewFile(uintptr(fd), "in")
		defer in.Close() //nolint:revive // a few
		client, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.WriteString(said); err != nil {
			t.Fatal(err)
		}
		if err := s.Begin(); err != nil {
			t.Fatal(err)
		}
		if s.keep[0] == nil {
			t.Error("standard input would end with a client that is there")
		}
		_ = client.Close()
		if err := s.Begin(); err != nil {
			t.Fatal(err)
		}
		s.Given()
		if s.files[0] != nil {
			t.Error("the process's end is still open here")
		}
		if text, err := io.ReadAll(in); string(text) != said || err != nil {
			t.Errorf("read %q, %v; want %q and the end", text, err, said)
		}
	}
}

// later runs a function, and tells when it is done.
func later(f func()) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		f()
		close(done)
	}()
	return done
}

// Nobody hears of the end of a process before its output is read: clients stop then.
func TestFlushWaitsForWhoReads(t *testing.T) {
	for _, copied := range []bool{false, true} {
		path, opens, reads := fifo(t), make(chan struct{}), make(chan struct{})
		got := make(chan string, 1)
		go func() {
			close(opens)
			f, err := os.Open(path)
			<-reads
			if err != nil {
				got <- err.Error()
				return
			}
			defer f.Close()
			text, _ := io.ReadAll(f)
			got <- string(text)
		}()
		<-opens
		s := open(t, Spec{Out: path, Copied: copied})
		_, out, _ := s.Files()
		if _, err := out.WriteString("all"); err != nil {
			t.Fatal(err)
		}
		s.Given()
		flushed := later(s.Flush)
		select {
		case <-flushed:
			t.Errorf("copied %v: Flush does not wait for who reads", copied)
		case <-time.After(100 * time.Millisecond):
		}
		close(reads)
		select {
		case <-flushed:
		case <-time.After(20 * time.Second):
			t.Errorf("copied %v: Flush waits on when all is read", copied)
		}
		s.End()
		ends(t, got, "all")
	}
}

// A client that has gone holds nobody up.
func TestFlushWithoutWhoReads(t *testing.T) {
	for _, copied := range []bool{false, true} {
		path := fifo(t)
		client, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
		if err != nil {
			t.Fatal(err)
		}
		s := open(t, Spec{Out: path, Copied: copied})
		_, out, _ := s.Files()
		if _, err := out.WriteString("unread"); err != nil {
			t.Fatal(err)
		}
		_ = client.Close()
		s.Given()
		began := time.Now()
		s.Flush()
		if took := time.Since(began); took > flushLimit/2 {
			t.Errorf("copied %v: Flush has waited %v for nobody", copied, took)
		}
		s.End()
	}
}

// A client that stops to read holds up nothing for ever, and what was written does
// not either.
func TestReaderStops(t *testing.T) {
	path := fifo(t)
	client, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	s := open(t, Spec{Out: path, Copied: true})
	_, out, _ := s.Files()
	// More than the pipe and the FIFO hold: the copy waits as soon as that is full.
	wrote := later(func() { _, _ = out.WriteString(strings.Repeat("x", 1<<20)) })
	w, err := os.OpenFile(path, os.O_WRONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for full := false; !full; time.Sleep(time.Millisecond) {
		p := []unix.PollFd{{Fd: int32(w.Fd()), Events: unix.POLLOUT}}
		n, err := unix.Poll(p, 0)
		if err != nil && !errors.Is(err, unix.EINTR) {
			t.Fatal(err)
		}
		full = err == nil && n == 0
	}
	s.End()
	select {
	case <-later(s.copies.Wait):
	case <-time.After(20 * time.Second):
		t.Fatal("the copy waits for ever")
	}
	<-wrote
}

// A directory's name may have whatever a name may.
func TestNamesAsTheyAre(t *testing.T) {
	for _, name := range []string{"a b", "100%", "what?a=b", "x#y", "%41", "a:b"} {
		path := filepath.Join(t.TempDir(), name)
		if err := unix.Mkfifo(path, 0o600); err != nil {
			t.Fatal(err)
		}
		got := read(path)
		s := open(t, Spec{Out: path})
		_, out, _ := s.Files()
		if _, err := out.WriteString("here"); err != nil {
			t.Fatal(err)
		}
		s.Given()
		s.End()
		ends(t, got, "here")
	}
}

// A process has a pipe and never the file, which it could cut off or make its own;
// two streams to one file keep their order.
func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "log")
	s := open(t, Spec{Out: "file://" + path, Err: "file://" + path})
	_, out, errs := s.Files()
	for i, f := range []*os.File{out, errs} {
		fi, err := f.Stat()
		if err != nil || fi.Mode()&os.ModeNamedPipe == 0 {
			t.Errorf("stream %d of the process: %v, %v; want a pipe", i+1, fi.Mode(), err)
		}
		if _, err := f.WriteString([]string{"out\n", "err\n"}[i]); err != nil {
			t.Fatal(err)
		}
	}
	s.Given()
	s.Flush()
	s.End()
	if text, err := os.ReadFile(path); string(text) != "out\nerr\n" || err != nil {
		t.Errorf("the file has %q, %v", text, err)
	}
	s.Drain()
}

// A disk that is full stops no program; when there is room it is written to again.
func TestFullDisk(t *testing.T) {
	name := filepath.Join(t.TempDir(), "log")
	l, err := openFile(name)
	if err != nil {
		t.Fatal(err)
	}
	room := l.File
	if l.File, err = os.OpenFile(name, os.O_RDONLY, 0); err != nil { // can't be written
		t.Fatal(err)
	}
	defer l.Close()
	for range 2 {
		if n, err := l.Write([]byte("lost")); n != 4 || err != nil || !l.losing {
			t.Errorf("write without room = %d, %v; losing %v", n, err, l.losing)
		}
	}
	_ = l.Close()
	l.File = room
	if n, err := l.Write([]byte("kept")); n != 4 || err != nil || l.losing {
		t.Errorf("write with room = %d, %v; losing %v", n, err, l.losing)
	}
	if text, err := os.ReadFile(name); string(text) != "kept" || err != nil {
		t.Errorf("the file has %q, %v", text, err)
	}
}

// A process goes on when the program that logs ends before it.
func TestLoggerDies(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s := open(t, Spec{Out: "binary://" + self + "?" + dies, Err: "binary://" + self + "?" + dies})
	<-s.logger.exited
	_, out, errs := s.Files()
	for _, f := range []*os.File{out, errs} {
		if err := f.SetWriteDeadline(time.Time{}); err == nil {
			t.Fatal("the process's end does not block")
		}
		wrote := make(chan error, 1)
		go func() {
			_, err := f.WriteString(strings.Repeat("x", 1<<20)) // more than a pipe holds
			wrote <- err
		}()
		select {
		case err := <-wrote:
			if err != nil {
				t.Errorf("write when the logger has ended: %v", err)
			}
		case <-time.After(20 * time.Second):
			t.Error("write when the logger has ended: it waits")
		}
	}
	s.Given()
	s.Flush()
	s.End()
}

func TestRefused(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, spec := range []Spec{
		{Out: file},
		{In: file},
		{In: "file://" + file},
		{Out: "npipe://x"},
		{Out: "file://relative"},
		{Out: "binary://relative"},
		{Out: "binary:///nowhere"},
		{Out: "/nowhere"},
		{Out: "%zz://"},
		{Err: file},
	} {
		s := New(spec)
		if err := s.Open(context.Background()); err == nil {
			t.Errorf("Open of %+v = nil; want an error", spec)
		}
		s.Close()
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	if err := New(Spec{Out: fifo(t)}).Open(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Open without a reader = %v; want that the time is over", err)
	}
}

// What a client says before they are open, or while a reader is waited for, holds.
func TestSaidBeforeOpen(t *testing.T) {
	for _, when := range []string{"before", "meanwhile"} {
		in, out := fifo(t), fifo(t)
		client, err := os.OpenFile(in, os.O_RDWR, 0) // needs no reader
		if err != nil {
			t.Fatal(err)
		}
		s := New(Spec{In: in, Out: out, Copied: true})
		opened := make(chan error, 1)
		if when == "before" {
			s.CloseIn()
		}
		go func() { opened <- s.Open(context.Background()) }()
		if when == "meanwhile" {
			s.CloseIn()
		}
		got := read(out)
		if err := <-opened; err != nil {
			t.Fatal(err)
		}
		if _, err := client.WriteString("all"); err != nil {
			t.Fatal(err)
		}
		if err := s.Begin(); err != nil {
			t.Fatal(err)
		}
		_ = client.Close()
		stdin, _, _ := s.Files()
		input := make(chan string, 1)
		go func() {
			text, _ := io.ReadAll(stdin)
			input <- string(text)
		}()
		ends(t, input, "all")
		s.End()
		ends(t, got, "")
		s.Drain()
	}
	s := New(Spec{In: fifo(t), Terminal: true})
	if err := s.Resize(80, 25); err != nil || *s.size != (size{80, 25}) {
		t.Errorf("size %v, %v", s.size, err)
	}
	s.End()
	if err := s.Open(context.Background()); !errors.Is(err, errEnded) || s.files[0] != nil {
		t.Errorf("Open after the end = %v, %v", err, s.files[0])
	}
}

// Nothing of the streams is left when all is over.
func TestNoDescriptorStays(t *testing.T) {
	count := func() int {
		entries, err := os.ReadDir("/dev/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	TestReaderComesLate(t) // the Go runtime has its own by now
	before := count()
	for range 10 {
		for _, spec := range []Spec{{}, {Copied: true}} {
			in, out := fifo(t), fifo(t)
			got := read(out)
			spec.In, spec.Out = in, out
			s := New(spec)
			if err := s.Open(context.Background()); err != nil {
				t.Fatal(err)
			}
			s.Given()
			s.End()
			ends(t, got, "")
			s.Drain()
		}
	}
	for deadline := time.Now().Add(10 * time.Second); count() > before && time.Now().Before(deadline); {
		time.Sleep(10 * time.Millisecond)
	}
	if after := count(); after > before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}

func FuzzParse(f *testing.F) {
	for _, name := range []string{"", "/nowhere", "fifo:///nowhere", "file://", "FILE:/x", "binary://?a=b", "binary:///nowhere?a=b&c", "%"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		u, err := parse(name)
		if err != nil {
			return
		}
		if !filepath.IsAbs(u.Path) || strings.ContainsRune(u.Path, 0) || u.Scheme != "fifo" && u.Scheme != "file" && u.Scheme != "binary" {
			t.Errorf("parse(%q) = %v", name, u)
		}
		for _, a := range arguments(u) {
			if a == "" && u.RawQuery == "" {
				t.Errorf("an argument of nothing: %q", name)
			}
		}
	})
}

// faulty is somewhere to write to where a fault is.
type faulty struct{ closed chan struct{} }

func (faulty) Write([]byte) (int, error) { panic("a fault") }

func (f faulty) Close() error {
	close(f.closed)
	return nil
}

// A fault in a copy ends the copy, and nothing else: what the process writes is an
// error for it then, and nobody waits.
func TestFaultInCopy(t *testing.T) {
	log.L.Logger.SetOutput(io.Discard)
	defer log.L.Logger.SetOutput(os.Stderr)
	s, to := New(Spec{}), faulty{make(chan struct{})}
	var e opened
	out, err := e.through(to)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if err := s.take(e); err != nil {
		t.Fatal(err)
	}
	if _, err := out.WriteString("said"); err != nil {
		t.Fatal(err)
	}
	<-to.closed
	s.Flush()
	s.End()
}

// A process runs without a reader when none comes, and what it writes is for one who
// comes later.
func TestReaderComesTooLate(t *testing.T) {
	log.L.Logger.SetOutput(io.Discard)
	defer log.L.Logger.SetOutput(os.Stderr)
	defer func(was time.Duration) { readerLimit = was }(readerLimit)
	readerLimit = 20 * time.Millisecond
	for _, copied := range []bool{false, true} {
		path := fifo(t)
		s := open(t, Spec{Out: path, Copied: copied})
		_, out, _ := s.Files()
		if _, err := out.WriteString("kept"); err != nil {
			t.Fatalf("copied %v: write without a reader: %v", copied, err)
		}
		late, err := os.Open(path) // waits for nobody: we keep an end
		if err != nil {
			t.Fatal(err)
		}
		got := make(chan string, 1)
		go func() {
			defer late.Close()
			text, _ := io.ReadAll(late)
			got <- string(text)
		}()
		s.Given()
		s.Flush()
		s.End()
		ends(t, got, "kept")
	}
}
