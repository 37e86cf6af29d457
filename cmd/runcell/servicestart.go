package main

// Starting and stopping declared cells.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	goruntime "runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/netbsd-cells/runcell/cmd/internal/cmdline"
	"github.com/netbsd-cells/runcell/cmd/internal/duration"
	"github.com/netbsd-cells/runcell/cmd/internal/service"
	"github.com/netbsd-cells/runcell/cmd/internal/supervise"
	"github.com/netbsd-cells/runcell/kmod/searchpath"
	"github.com/netbsd-cells/runcell/runtime"
)

func (s *services) start(ctx context.Context, list []*service.Declaration) error {
	return s.interruptible(ctx, func(ctx context.Context) error {
		return s.eachAlone(ctx, list, func(d *service.Declaration) (string, error) { return s.startOne(ctx, d) })
	})
}

func (s *services) stop(ctx context.Context, list []*service.Declaration) error {
	list = append(slices.Clone(list), s.unnamed()...)
	slices.Reverse(list)
	return s.interruptible(ctx, func(ctx context.Context) error {
		return s.eachAlone(ctx, list, func(d *service.Declaration) (string, error) { return s.stopOne(ctx, d) })
	})
}

// restart stops all before it starts the first: they may need each other. What
// can't be started again runs on.
func (s *services) restart(ctx context.Context, list []*service.Declaration) error {
	if err := s.unread(); err != nil {
		return err
	}
	var fit []*service.Declaration
	refused := s.caught(ctx, func(ctx context.Context, _ *runtime.Signals) error {
		err := s.eachAlone(ctx, list, func(d *service.Declaration) (string, error) {
			err := s.fits(ctx, d)
			if err == nil {
				fit = append(fit, d)
			}
			return "", err
		})
		return errors.Join(err, context.Cause(ctx))
	})
	var why *runtime.Interrupted
	if errors.As(refused, &why) || len(fit) == 0 {
		return refused
	}
	return errors.Join(refused, s.stop(ctx, fit), s.start(ctx, fit))
}

func (s *services) startOne(ctx context.Context, d *service.Declaration) (string, error) {
	if err := context.Cause(ctx); err != nil {
		return "", err
	}
	pid, err := lockHolder(s.lock(d))
	if err != nil {
		return "", err
	}
	if pid > 0 {
		is, err := s.condition(d)
		if is.life == isRunning {
			return "runs already", err
		}
		return is.String(), err
	}
	if err := s.prepare(ctx, d); err != nil {
		return "", err
	}
	if err := s.clear(ctx, d); err != nil {
		return "", err
	}
	args := s.supervisor(d)
	if err := s.setRunning(d, args); err != nil {
		return "", err
	}
	if err := s.supervise(ctx, d, args); err != nil {
		return "", err
	}
	return "started", nil
}

// prepare makes the root file system, if there is none of the image that is
// declared, and the bundle.
func (s *services) prepare(ctx context.Context, d *service.Declaration) error {
	if err := os.MkdirAll(s.bundle(d), 0o700); err != nil {
		return err
	}
	base, err := s.ownRoot(ctx, d)
	if err != nil {
		return err
	}
	cfg, err := s.config(d, base)
	if err != nil {
		return err
	}
	err = errors.Join(s.tellOrigin(d, base), replaceJSON(filepath.Join(s.bundle(d), "config.json"), cfg))
	if err != nil {
		return err
	}
	return s.makeData(cfg, &d.Settings)
}

// tellOrigin says beside the configuration what the root file system was made of.
func (s *services) tellOrigin(d *service.Declaration, base string) error {
	err := copyFile(base, s.bundle(d), originName)
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	// A bundle of no image has none; one that it took the place of may have had.
	if err = os.Remove(filepath.Join(s.bundle(d), originName)); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// ownRoot is base, and makes what base does not find.
func (s *services) ownRoot(ctx context.Context, d *service.Declaration) (string, error) {
	if d.Bundle != "" {
		return d.Bundle, nil
	}
	r, err := s.roots(d)
	if err != nil {
		return "", err
	}
	n := choose(d, r)
	switch n {
	case 0:
		_, x, err := s.unpack(ctx, d, r)
		if err != nil {
			return "", err
		}
		n, r = x.Number, r.Add(x)
	case r.Current:
		return s.rootDir(d, n), nil
	}
	r.Current = n
	return s.rootDir(d, n), s.setRoots(d, r)
}

// unpack unpacks the image into a root file system beside the others.
func (s *services) unpack(ctx context.Context, d *service.Declaration, r service.Roots) (dir string, x service.Root, err error) {
	x = service.Root{Number: 1, Image: d.Image}
	if len(r.List) > 0 {
		x.Number = r.List[len(r.List)-1].Number + 1
	}
	for ; ; x.Number++ { // one that nobody knows may be there: of a command that was killed
		dir = s.rootDir(d, x.Number)
		if _, err := os.Lstat(dir); errors.Is(err, os.ErrNotExist) {
			break
		}
	}
	if err := os.MkdirAll(s.home(d), 0o700); err != nil {
		return "", x, err
	}
	if err := s.imageOf(ctx, d, s.Stderr, "unpack", d.Image, dir); err != nil {
		return "", x, err
	}
	o, err := readMade(dir)
	x.Manifest = o.Manifest
	return dir, x, err
}

// imageOf runs a command of the image program on a cell's image. Why it failed, that
// one has said.
func (s *services) imageOf(ctx context.Context, d *service.Declaration, out io.Writer, command string, args ...string) error {
	call := []string{"image", command}
	if d.Store != "" {
		call = append(call, "--store", d.Store)
	}
	if d.Platform != "" {
		call = append(call, "--platform", d.Platform)
	}
	var told cmdline.ExitStatus
	err := s.runImageTo(ctx, s.cmd, out, slices.Concat(call, []string{"--"}, args))
	if errors.As(err, &told) {
		return fmt.Errorf("there is no root file system of %s", d.Image)
	}
	return err
}

// clear removes what a supervisor has left that was killed: nothing that is dead
// blocks a start. Another's container of the name is left alone.
func (s *services) clear(ctx context.Context, d *service.Declaration) error {
	st, err := s.engine.State(d.Name)
	if errors.Is(err, runtime.ErrNotExist) {
		return nil
	}
	if err == nil && st.Bundle != s.bundle(d) {
		return fmt.Errorf("another container has the name: it is of the bundle %s; stop and delete it", st.Bundle)
	}
	if err == nil && st.Status != runtime.Stopped {
		_, err = s.engine.Stop(ctx, d.Name, runtime.StopOptions{Patience: d.StopTime})
	}
	if err != nil && !errors.Is(err, runtime.ErrNotExist) {
		fmt.Fprintf(s.Stderr, "runcell: %s: %v; it is deleted\n", d.Name, err)
	}
	return s.engine.Delete(ctx, d.Name, true)
}

// supervise starts the runcell that keeps the cell going, in a session of its
// own, and waits until the program has been started. As soon as that one can be
// told to end, other commands may change the cell.
func (s *services) supervise(ctx context.Context, d *service.Declaration, args []string) error {
	own, err := s.executable()
	if err != nil {
		return fmt.Errorf("find runcell's own file: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(s.logFile(d)), 0o700); err != nil {
		return err
	}
	log, _, err := supervise.Append(s.logFile(d))
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	defer func() { _ = log.Close() }()
	s.warn(d, log)
	child := &exec.Cmd{
		Path: own, Args: append([]string{"runcell", "--log", log.Name()}, args...), Dir: "/", Stdout: log, Stderr: log,
		SysProcAttr: &syscall.SysProcAttr{Setsid: true},
		// Hooks that name none get it: who happens to type the command has no say.
		Env: []string{"PATH=" + searchpath.Of(goruntime.GOOS), "HOME=/"},
	}
	if err := child.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- child.Wait() }()
	slow, late := time.After(tellPatience), time.After(s.startPatience)
	for {
		if pid, err := lockHolder(s.lock(d)); err == nil && pid == child.Process.Pid {
			s.unlock()
		}
		if st, err := s.engine.State(d.Name); err == nil && hasBegun(st, s.bundle(d)) {
			return nil
		}
		select {
		case err := <-ended:
			if err == nil {
				return nil // it has done what it was for
			}
			return fmt.Errorf("did not start (%w): %s", err, lastLine(log.Name()))
		case <-ctx.Done():
			_ = child.Process.Signal(syscall.SIGTERM)
			return errors.Join(context.Cause(ctx), s.setRunning(d, nil))
		case <-slow:
			fmt.Fprintf(s.Stderr, "runcell: wait until %s runs, %v at most\n", d.Name, s.startPatience)
		case <-late:
			return fmt.Errorf("does not run after %v, and is still being started: %s", s.startPatience, lastLine(log.Name()))
		case <-time.After(lookAgain):
		}
	}
}

// hasBegun tells whether a program of the bundle has been started. What had the name
// before is cleared away by then; when the container was made does not tell, since
// clocks are set, above all at boot.
func hasBegun(st *runtime.State, bundle string) bool {
	return st.Bundle == bundle && (st.Status == runtime.Running || st.Status == runtime.Stopped)
}

const (
	// startPatience is how long a cell may take to run: a hook that hangs keeps no
	// other cell down, nor a machine from its boot.
	startPatience = time.Minute
	// tellPatience is when a wait says so.
	tellPatience = time.Second
)

// lookAgain is the pause of who waits for another process.
const lookAgain = 20 * time.Millisecond

// lastLine is what a log ends with, however large it is.
func lastLine(path string) string {
	const enough = 4096
	b := make([]byte, enough)
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // it may be a terminal
	if err != nil {
		return err.Error()
	}
	defer func() { _ = f.Close() }()
	fi, err := f.Stat()
	if err != nil || !fi.Mode().IsRegular() {
		return "see " + path
	}
	n, err := f.ReadAt(b, max(0, fi.Size()-enough))
	if err != nil && !errors.Is(err, io.EOF) {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(b[:n])), "\n")
	return cmdline.OneLine(lines[len(lines)-1]) + " (" + path + ")"
}

func (s *services) stopOne(ctx context.Context, d *service.Declaration) (string, error) {
	pid, err := lockHolder(s.lock(d))
	if err != nil {
		return "", err
	}
	was := "stopped"
	if pid == 0 {
		if _, err := s.engine.State(d.Name); errors.Is(err, runtime.ErrNotExist) {
			was = "did not run"
		}
		err = s.clear(ctx, d)
	} else {
		err = s.endSupervisor(ctx, d, pid)
	}
	return was, errors.Join(err, s.setRunning(d, nil))
}

// endPatience is how long a supervisor may take beyond its cell's time.
const endPatience = 30 * time.Second

// patience is the stop-time that a cell was started with, whatever its declaration
// says by now.
func (s *services) patience(d *service.Declaration) (time.Duration, error) {
	args, err := s.running(d)
	if i := slices.Index(args, "--stop-time"); err == nil && i >= 0 && i+1 < len(args) {
		return duration.Parse(args[i+1])
	}
	return d.StopTime, err
}

func (s *services) endSupervisor(ctx context.Context, d *service.Declaration, pid int) error {
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("end process %d, which keeps it going: %w", pid, err)
	}
	began, told := time.Now(), false
	patience, err := s.patience(d)
	if err != nil {
		return err
	}
	for {
		holder, err := lockHolder(s.lock(d))
		if err == nil && holder != pid {
			return nil
		}
		if took := time.Since(began); took > patience+endPatience {
			return fmt.Errorf("process %d, which keeps it going, has not ended: runcell kill %s KILL, and kill -9 %d", pid, d.Name, pid)
		} else if took > tellPatience && !told {
			told = true
			fmt.Fprintf(s.Stderr, "runcell: wait until %s has ended, %v at most, then SIGKILL\n", d.Name, patience)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(lookAgain):
		}
	}
}
