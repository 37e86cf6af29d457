package stdio

// Output that goes to a program (binary://): it gets the streams as descriptors
// 3 and 4, and closes 5 when it is ready (containerd's package logging).

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"time"

	"github.com/containerd/log"
	"github.com/netbsd-cells/runcell/shim"
	"golang.org/x/sys/unix"
)

const (
	// loggerReady is how long the program may take to be ready, loggerEnd how
	// long to end once its streams have.
	loggerReady = 10 * time.Second
	loggerEnd   = 10 * time.Second
)

type logger struct {
	out, err *os.File // what the process writes to, ours until its end: see unread
	cmd      *exec.Cmd
	exited   chan struct{}
	ending   chan struct{} // closed by end
}

// take gives the process's end of stream 1 or 2, which is the caller's now.
func (l *logger) take(n int) (*os.File, error) {
	f := l.out
	if n == 2 {
		f = l.err
	}
	return duplicate(f)
}

// unread tells whether the program has not read yet all that it was sent. A stream that
// it has read to its end ends: it may wait for that before it reads the other.
func (l *logger) unread() (is bool) {
	for _, f := range []**os.File{&l.out, &l.err} {
		if *f == nil {
			continue
		}
		if n, err := unix.IoctlGetInt(int((*f).Fd()), inPipe); err == nil && n > 0 {
			is = true
		} else {
			closeFile(f)
		}
	}
	return is
}

// startLogger starts the program that a URI names: its path, and as the
// arguments the query's keys and values.
func startLogger(ctx context.Context, spec Spec, u *url.URL) (*logger, error) {
	var files []*os.File
	defer func() {
		for _, f := range files {
			_ = f.Close()
		}
	}()
	l := &logger{exited: make(chan struct{}), ending: make(chan struct{})}
	out, err := pipe(&l.out, &files)
	if err != nil {
		return nil, err
	}
	errs, err := pipe(&l.err, &files)
	if err != nil {
		return nil, errors.Join(err, l.out.Close())
	}
	ready, readied, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, l.out.Close(), l.err.Close())
	}
	files = append(files, ready, readied)
	l.cmd = &exec.Cmd{
		Path: u.Path, Args: append([]string{u.Path}, arguments(u)...), ExtraFiles: []*os.File{out, errs, readied},
		Env: append(os.Environ(), "CONTAINER_ID="+spec.ID, "CONTAINER_NAMESPACE="+spec.Namespace),
	}
	if err := l.cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start logger: %w", err), l.out.Close(), l.err.Close())
	}
	shim.Go("watch logger of "+spec.ID, func() { l.watch(spec.ID, out, errs) })
	files = files[2:] // the streams' are watch's
	_ = readied.Close()
	if err := awaitReady(ctx, ready); err != nil {
		l.end()
		return nil, fmt.Errorf("start logger %s: %w", u.Path, err)
	}
	return l, nil
}

// watch waits for the program's end. If that comes before the process's it reads in the
// program's place: who writes to a pipe that nobody has open is killed, and one that
// nobody reads makes it wait.
func (l *logger) watch(id string, streams ...*os.File) {
	err := l.cmd.Wait()
	close(l.exited)
	select {
	case <-l.ending:
		if err != nil {
			log.L.Warnf("logger %s of %s: %v", l.cmd.Path, id, err)
		}
	default:
		log.L.Errorf("logger %s of %s has ended (%v): what the container says from now on is lost", l.cmd.Path, id, cmp.Or(err, errLoggerEnded))
	}
	for _, f := range streams {
		shim.Go("read for the logger of "+id, func() {
			defer f.Close()
			_, _ = io.Copy(io.Discard, f) // ends with the last one who can write
		})
	}
}

// errLoggerEnded is the reason of one that has not failed.
var errLoggerEnded = errors.New("without an error")

// arguments are the query's keys, each with its value after it if it has one.
func arguments(u *url.URL) []string {
	var args []string
	query := u.Query()
	keys := make([]string, 0, len(query))
	for k := range query {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		args = append(args, k)
		if v := query.Get(k); v != "" {
			args = append(args, v)
		}
	}
	return args
}

// awaitReady waits until the program has closed its end.
func awaitReady(ctx context.Context, ready *os.File) error {
	limit, ok := ctx.Deadline()
	if end := time.Now().Add(loggerReady); !ok || end.Before(limit) {
		limit = end
	}
	if err := ready.SetReadDeadline(limit); err != nil {
		return err
	}
	if _, err := ready.Read(make([]byte, 1)); errors.Is(err, os.ErrDeadlineExceeded) {
		return errors.New("it is not ready: it has not closed its descriptor 5")
	}
	return nil
}

// end closes our ends, and gives the program time to write
// what it was sent, since the process was the last to have its streams.
func (l *logger) end() {
	closeFile(&l.out)
	closeFile(&l.err)
	select {
	case <-l.ending:
		return
	default:
		close(l.ending)
	}
	shim.Go("end logger", func() {
		select {
		case <-l.exited:
		case <-time.After(loggerEnd):
			_ = l.cmd.Process.Kill()
		}
	})
}

// pipe makes one whose writing end blocks, for a process, and gives the other.
func pipe(w **os.File, files *[]*os.File) (r *os.File, err error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return nil, fmt.Errorf("make pipe: %w", err)
	}
	r = os.NewFile(uintptr(fds[0]), "pipe")
	*w = os.NewFile(uintptr(fds[1]), "pipe")
	*files = append(*files, r)
	return r, nil
}
