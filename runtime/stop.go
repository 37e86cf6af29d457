package runtime

// stop: a container's program is asked to end, and made to. What create made
// stays, until delete.

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"time"

	"github.com/netbsd-cells/runcell/runtime/internal/signals"
	"github.com/netbsd-cells/runcell/runtime/internal/state"
	"github.com/netbsd-cells/runcell/runtime/internal/step"
	"github.com/netbsd-cells/runcell/runtime/internal/sys"
	"golang.org/x/sys/unix"
)

// stopSignalAnnotation names the signal that ends an image's program (image-spec,
// conversion.md).
const stopSignalAnnotation = "org.opencontainers.image.stopSignal"

// StopOptions are the arguments of stop.
type StopOptions struct {
	Patience time.Duration // how long the program may take; 0 = it is killed at once
	// Waiting is told of the signal that was sent when the wait for it has taken
	// a second; nil = nobody wants to know.
	Waiting func(signal string)
}

// Ending tells how a container came to be stopped.
type Ending string

// The ways.
const (
	EndedBefore Ending = "had ended before"
	EndedByStop Ending = "ended"
	EndedByKill Ending = "killed"
	EndedAndAll Ending = "ended, and is gone" // who waited for it, a run without --detach, has deleted it
)

// Stop ends a container's program: by the signal that its bundle names (the
// annotation org.opencontainers.image.stopSignal) or SIGTERM, and by SIGKILL when
// its time is over. What it leaves in the container is killed. Nothing is
// deleted. A context that ends ends the wait, and takes nothing back.
func (r *Runtime) Stop(ctx context.Context, id string, o StopOptions) (how Ending, err error) {
	s, err := r.State(id)
	if err != nil {
		return "", err
	}
	if how, err = r.stop(ctx, s, o); err != nil {
		return "", fmt.Errorf("stop %q: %w", id, err)
	}
	return how, nil
}

func (r *Runtime) stop(ctx context.Context, s *State, o StopOptions) (how Ending, err error) {
	how = EndedBefore
	if s.Status == Creating {
		return "", errors.New("it is still being created")
	}
	if err := r.noteStop(s); err != nil {
		return "", err
	}
	if s.Status != Stopped {
		if how, err = r.ask(ctx, s, o); err != nil {
			return "", err
		}
	}
	// Who was not asked or did not heed, and what they have left.
	err = r.killFound(s, unix.SIGKILL, true)
	switch {
	case errors.Is(err, state.ErrNotExist):
		return EndedAndAll, nil
	case err != nil && !errors.Is(err, state.ErrNotRunning):
		return "", err
	}
	ended, err := r.awaitEnd(ctx, s, deathPatience, nil)
	if err == nil && !ended {
		err = fmt.Errorf("SIGKILL has not ended it within %v", deathPatience)
	}
	return how, err
}

// noteStop lets who keeps the program going know that it is to stay down. The
// container may be gone meanwhile.
func (r *Runtime) noteStop(s *State) error {
	err := sys.WriteFile(r.at(s.ID).Path(state.StopFile), stopNote(s), 0o600)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("note that it is to stay down: %w", err)
	}
	return nil
}

func stopNote(s *State) []byte { return []byte(s.Created.Format(time.RFC3339Nano)) }

// StopAsked tells whether Stop was called for a container, or somebody has
// deleted it: who keeps its program going asks that.
func (r *Runtime) StopAsked(id string) (bool, error) {
	s, err := r.State(id)
	if errors.Is(err, state.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	note, err := sys.ReadFile(r.at(id).Path(state.StopFile))
	if err := sys.Unless(err, fs.ErrNotExist); err != nil {
		return false, fmt.Errorf("look whether %q is to stay down: %w", id, err)
	}
	return bytes.Equal(note, stopNote(s)), nil
}

// ask sends the signal that ends a program in good order, and waits.
func (r *Runtime) ask(ctx context.Context, s *State, o StopOptions) (Ending, error) {
	if o.Patience <= 0 {
		return EndedByKill, nil
	}
	sig, err := stopSignal(s.Annotations)
	if err != nil {
		return "", err
	}
	err = r.killFound(s, sig, false)
	if err == nil && s.Status == Paused {
		err = r.letGo(ctx, s) // or it could not heed it
	}
	if errors.Is(err, state.ErrNotRunning) || errors.Is(err, state.ErrNotExist) {
		return EndedByStop, nil // meanwhile
	}
	if err != nil {
		return "", err
	}
	step.Say("wait up to %v until %s has ended %s", o.Patience, signals.Name(sig), s.ID)
	ended, err := r.awaitEnd(ctx, s, o.Patience, func() {
		if o.Waiting != nil {
			o.Waiting(signals.Name(sig))
		}
	})
	if !ended {
		return EndedByKill, err
	}
	return EndedByStop, err
}

// stopSignal is the signal that a bundle's image wants. One that is unknown is an
// error: another one might not let the program save its data.
func stopSignal(annotations map[string]string) (syscall.Signal, error) {
	sig, err := ParseSignal(annotations[stopSignalAnnotation])
	if err == nil && sig == 0 {
		err = errors.New("0 is no signal")
	}
	if err != nil {
		return 0, fmt.Errorf("%s: %w; send one that the program understands with `runcell kill`, or give --time 0, which kills", stopSignalAnnotation, err)
	}
	return sig, nil
}

// reload loads a container that was found before. Another one that has its name
// meanwhile, as a service's next one has, is not it: the error is ErrNotExist.
func (r *Runtime) reload(s *State) (*container, error) {
	c, err := r.load(s.ID)
	if err != nil {
		return nil, err
	}
	if !c.Created.Equal(s.Created) {
		return nil, fmt.Errorf("%q: %w any more: another container has its name", s.ID, state.ErrNotExist)
	}
	return c, nil
}

// again is State for a container that was found before.
func (r *Runtime) again(s *State) (*State, error) {
	c, err := r.reload(s)
	if err != nil {
		return nil, err
	}
	return c.State()
}

// killFound is Kill for a container that was found before.
func (r *Runtime) killFound(s *State, sig syscall.Signal, all bool) error {
	c, err := r.reload(s)
	if err != nil {
		return err
	}
	return r.kill(c, sig, all)
}

// letGo resumes a paused container, unless another command does.
func (r *Runtime) letGo(ctx context.Context, s *State) error {
	err := r.setPaused(ctx, s.ID, state.Paused, false)
	if err == nil {
		return nil
	}
	now, serr := r.again(s)
	if errors.Is(serr, state.ErrNotExist) || serr == nil && now.Status != Paused {
		return serr
	}
	return err
}

// awaitEnd waits until a container has stopped, or is gone, and tells whether it
// has. long is called after a second; nil = nobody.
func (r *Runtime) awaitEnd(ctx context.Context, found *State, patience time.Duration, long func()) (bool, error) {
	const most, moment = 100 * time.Millisecond, time.Second
	began := time.Now()
	for pause := 5 * time.Millisecond; ; pause = min(2*pause, most) {
		s, err := r.again(found)
		if errors.Is(err, state.ErrNotExist) || err == nil && s.Status == Stopped {
			return true, nil
		}
		if err != nil {
			return false, err
		}
		left := patience - time.Since(began)
		if left <= 0 {
			return false, nil
		}
		if long != nil && time.Since(began) > moment {
			long()
			long = nil
		}
		select {
		case <-ctx.Done():
			return false, context.Cause(ctx)
		case <-time.After(min(pause, left)):
		}
	}
}
