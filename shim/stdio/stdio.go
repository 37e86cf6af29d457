package stdio

// The streams of one process, by the URIs that containerd names them with.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/containerd/log"
	"github.com/netbsd-cells/runcell/shim"
	"golang.org/x/sys/unix"
)

// Spec says what the streams of a process are. An empty URI is the null device.
type Spec struct {
	Namespace, ID string // of the container, for a program that logs
	In, Out, Err  string // a path of a FIFO, or a URI: fifo, file, binary
	Terminal      bool   // Out gets what the terminal shows, Err nothing
	// Copied is for a process that others may outlive which have its streams: a
	// client finds the end of the output with the end of the process.
	Copied bool
}

// Streams are used by one process, once. They exist before they are open: what a client
// says meanwhile, a terminal's size and that it has no more input, is for later.
type Streams struct {
	spec   Spec
	copies sync.WaitGroup

	mu sync.Mutex
	opened
	master  *os.File // of the terminal
	size    *size    // that the terminal is to have, once it is there
	noInput bool     // see CloseIn
	begun   bool     // see Begin
	given   bool     // see Given
	ended   bool
}

// opened is what is open: all of it, or nothing.
type opened struct {
	files  [3]*os.File // the process's
	keep   [3]*os.File // ours, which keep a FIFO from ending
	pipes  []*conduit  // of Copied, and to files
	logger *logger     // nil = none
}

// New gives streams that are not open.
func New(spec Spec) *Streams { return &Streams{spec: spec} }

// errEnded is the error of streams whose process has ended.
var errEnded = errors.New("the process has ended")

// Open opens them, once. For a FIFO that takes until somebody reads it, at most until
// the context ends.
func (s *Streams) Open(ctx context.Context) error {
	e, err := openAll(ctx, s.spec)
	if err != nil {
		e.close()
		return err
	}
	return s.take(e)
}

// take has what is open, and begins to copy.
func (s *Streams) take(e opened) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		e.close()
		return fmt.Errorf("open streams: %w", errEnded)
	}
	s.opened = e
	if s.noInput {
		closeFile(&s.keep[0])
	}
	for _, c := range s.pipes {
		s.copies.Go(func() { shim.Guard("copy output of "+s.spec.ID, c.run) })
	}
	return nil
}

// openAll gives what is open by then with an error, too.
func openAll(ctx context.Context, spec Spec) (e opened, err error) {
	if spec.In != "" {
		if err := e.openIn(spec); err != nil {
			return e, fmt.Errorf("open stdin: %w", err)
		}
	}
	if err := e.openOut(ctx, spec, 1, spec.Out); err != nil {
		return e, fmt.Errorf("open stdout: %w", err)
	}
	if spec.Terminal {
		return e, nil
	}
	if err := e.openOut(ctx, spec, 2, spec.Err); err != nil {
		return e, fmt.Errorf("open stderr: %w", err)
	}
	return e, nil
}

// parse reads the name of a stream: a path alone is a FIFO.
func parse(name string) (*url.URL, error) {
	if strings.HasPrefix(name, "/") { // as it is: a directory's name may have a % or ? in it
		return checked(name, &url.URL{Scheme: "fifo", Path: name})
	}
	u, err := url.Parse(name)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", name, err)
	}
	return checked(name, u)
}

func checked(name string, u *url.URL) (*url.URL, error) {
	if u.Scheme == "" {
		u.Scheme = "fifo"
	}
	if !slices.Contains([]string{"fifo", "file", "binary"}, u.Scheme) {
		return nil, fmt.Errorf("%q: the scheme is none of fifo, file, binary", name)
	}
	if !path.IsAbs(u.Path) || strings.ContainsRune(u.Path, 0) {
		return nil, fmt.Errorf("%q: it has no absolute path; write %s:///path", name, u.Scheme)
	}
	return u, nil
}

func (e *opened) openIn(spec Spec) error {
	u, err := parse(spec.In)
	if err != nil {
		return err
	}
	if u.Scheme != "fifo" {
		return fmt.Errorf("%q: it can be a FIFO only", spec.In)
	}
	e.files[0], e.keep[0], err = openReader(u.Path, spec.Terminal)
	return err
}

func (e *opened) openOut(ctx context.Context, spec Spec, n int, name string) error {
	if name == "" {
		return nil
	}
	u, err := parse(name)
	if err != nil {
		return err
	}
	switch u.Scheme {
	case "fifo":
		e.files[n], e.keep[n], err = openWriter(ctx, u.Path, spec.Terminal || spec.Copied)
		if err == nil && spec.Copied && !spec.Terminal {
			e.files[n], err = e.through(e.files[n])
		}
	case "file":
		e.files[n], err = e.openFile(n, spec, u.Path)
	case "binary":
		if e.logger == nil {
			e.logger, err = startLogger(ctx, spec, u)
		}
		if err == nil {
			e.files[n], err = e.logger.take(n)
		}
	}
	return err
}

// openFile gives the process's end of stream n, which goes to a file. Two streams
// that go to one file go there in the order in which they are written.
func (e *opened) openFile(n int, spec Spec, path string) (*os.File, error) {
	if n == 2 && spec.Err == spec.Out {
		return duplicate(e.files[1])
	}
	f, err := openFile(path)
	if err != nil {
		return nil, err
	}
	return e.through(f)
}

func duplicate(f *os.File) (*os.File, error) {
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("duplicate %s: %w", f.Name(), err)
	}
	return os.NewFile(uintptr(fd), f.Name()), nil
}

// through gives the process's end of a pipe whose output goes elsewhere.
func (e *opened) through(to io.WriteCloser) (*os.File, error) {
	c, w, err := newConduit(to)
	if err != nil {
		return nil, errors.Join(err, to.Close())
	}
	e.pipes = append(e.pipes, c)
	return w, nil
}

func (e *opened) close() {
	for i := range e.keep {
		closeFile(&e.keep[i])
	}
	for _, f := range e.files {
		if f != nil {
			_ = f.Close() // a terminal's are closed by who copies, too
		}
	}
	for _, c := range e.pipes {
		c.close()
	}
	if e.logger != nil {
		e.logger.end()
	}
}

// Files are what a process without a terminal gets; nil is the null device.
func (s *Streams) Files() (in, out, err *os.File) { return s.files[0], s.files[1], s.files[2] }

// Terminal tells whether the process has a terminal, to be attached.
func (s *Streams) Terminal() bool { return s.spec.Terminal }

// Given says that the process has its ends: ours of them are closed.
func (s *Streams) Given() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.given = true
	s.closeGiven()
}

// closeGiven closes what the process has; Begin still needs its standard input.
func (s *Streams) closeGiven() {
	for i := range s.files {
		if s.given && !s.spec.Terminal && (i > 0 || s.begun || s.keep[0] == nil) {
			closeFile(&s.files[i])
		}
	}
}

// Attach copies between a terminal, whose master it owns from now on, and the
// streams.
func (s *Streams) Attach(master *os.File) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return errors.Join(fmt.Errorf("attach terminal: %w", errEnded), master.Close())
	}
	if s.size != nil {
		if err := setSize(master, s.size.width, s.size.height); err != nil {
			return errors.Join(err, master.Close())
		}
	}
	s.master = master
	if in := s.files[0]; in != nil {
		shim.Go("copy input of "+s.spec.ID, func() { // ends with the streams: see End
			defer in.Close()
			_ = carry(master, in)
		})
	}
	out := s.files[1]
	s.copies.Go(func() { shim.Guard("copy terminal of "+s.spec.ID, func() { show(master, out) }) })
	return nil
}

// show copies what a terminal shows; nil: nobody sees it.
func show(master, out *os.File) {
	if out == nil {
		_ = carry(discard{}, master)
		return
	}
	defer out.Close()
	_ = carry(out, master)
}

// Begin is called before the program runs. A client that has closed standard input
// by now wanted to say all that it had, and may have said that it did before
// anybody could hear it (CloseIn): the process finds the end.
func (s *Streams) Begin() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.begun = true
	defer s.closeGiven()
	if s.keep[0] == nil || s.spec.Terminal {
		return nil
	}
	name := s.keep[0].Name()
	closeFile(&s.keep[0])
	if !written(s.files[0]) {
		return nil
	}
	fd, err := openFIFO(name, unix.O_WRONLY)
	if errors.Is(err, unix.ENXIO) {
		return nil // the process has ended
	}
	if err != nil {
		return fmt.Errorf("keep stdin: %w", err)
	}
	s.keep[0] = end(fd, name, true)
	return nil
}

// CloseIn lets the process find the end of its standard input, once the clients
// have closed their ends. A client says so as soon as it has written all, which can be
// before the streams are open.
func (s *Streams) CloseIn() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.noInput = true
	closeFile(&s.keep[0])
}

// size is that of a terminal, in characters.
type size struct{ width, height uint16 }

// Resize sets the size of the terminal, in characters: at once, or as soon as it is
// there. One that has gone has none.
func (s *Streams) Resize(width, height uint16) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !s.spec.Terminal:
		return errors.New("resize terminal: the process has none")
	case s.ended:
		return nil
	case s.master == nil:
		s.size = &size{width, height}
		return nil
	}
	return setSize(s.master, width, height)
}

const (
	// flushLimit is how long what a process has written may take to be read before
	// others hear of its end, drainLimit how long until it is given up.
	flushLimit = 10 * time.Second
	drainLimit = 2 * time.Second
	// glance is how often it is asked whether all is read: neither a pipe nor a FIFO
	// tells who writes when it is empty.
	glance = 2 * time.Millisecond
)

// Flush waits until what the process, which has ended, has written is read by whoever
// reads it, at most for flushLimit. It comes before anybody hears of the end: clients
// stop to read then, whatever there still is (containerd's package cio, nerdctl's
// logger).
func (s *Streams) Flush() {
	s.lastWords()
	limit := time.After(flushLimit)
	if s.spec.Terminal {
		s.copied(drainLimit) // a process that has left its session may still hold it
	} else {
		s.copied(flushLimit)
	}
	tick := time.NewTicker(glance)
	defer tick.Stop()
	for s.unread() {
		select {
		case <-limit:
			log.L.Warnf("output of %s: not all of it is read %v after the end of the process", s.spec.ID, flushLimit)
			return
		case <-tick.C:
		}
	}
}

// lastWords says that nothing comes any more but what is written.
func (s *Streams) lastWords() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.pipes {
		c.end()
	}
	if !s.ended {
		s.onlyWrite()
	}
}

// onlyWrite keeps FIFOs by ends that can only be written, so that it can be told whether
// others read. There is one who reads by what was kept: it always works.
func (s *Streams) onlyWrite() {
	for i := 1; i < len(s.keep); i++ {
		if s.keep[i] == nil {
			continue
		}
		name := s.keep[i].Name()
		fd, err := openFIFO(name, unix.O_WRONLY)
		closeFile(&s.keep[i]) // without its name it can't be told, and who has it finds the end
		if err == nil {
			s.keep[i] = end(fd, name, true)
		}
	}
}

// unread tells whether not all is read. What is ends: who reads one stream after the
// other waits for that.
func (s *Streams) unread() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return false
	}
	is := s.logger != nil && s.logger.unread()
	for i := 1; i < len(s.keep); i++ {
		if s.keep[i] != nil && unreadIn(s.keep[i]) > 0 {
			is = true
		} else {
			closeFile(&s.keep[i])
		}
	}
	return is
}

// End says that the process has ended, and lets those who read find the end of
// its output. What a terminal still holds is copied first, by whoever reads in
// time.
func (s *Streams) End() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return
	}
	s.ended = true
	closeFile(&s.keep[0])
	for _, c := range s.pipes {
		c.end()
	}
	if s.master == nil && len(s.pipes) == 0 {
		s.closeAll()
		return
	}
	shim.Go("end output of "+s.spec.ID, func() {
		s.copies.Wait()
		s.Close()
	})
	// One that has left its session may still hold a terminal, and a client that has
	// stopped to read holds up a copy.
	time.AfterFunc(drainLimit, func() { shim.Guard("end output of "+s.spec.ID, s.Close) })
}

// Drain waits until what the process has written is read, at most for
// drainLimit, and gives the streams up.
func (s *Streams) Drain() {
	s.copied(drainLimit)
	s.Close()
}

// copied waits until all is copied, at most for some time.
func (s *Streams) copied(limit time.Duration) {
	done := make(chan struct{})
	shim.Go("await output of "+s.spec.ID, func() {
		s.copies.Wait()
		close(done)
	})
	select {
	case <-done:
	case <-time.After(limit):
	}
}

// Close gives everything up, whatever state it is in.
func (s *Streams) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	s.closeAll()
}

func (s *Streams) closeAll() {
	s.close()
	closeFile(&s.master)
}

func closeFile(f **os.File) {
	if *f != nil {
		_ = (*f).Close()
		*f = nil
	}
}
