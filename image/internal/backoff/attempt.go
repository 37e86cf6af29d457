package backoff

// A new attempt as long as there is progress or patience.

import (
	"context"
	"errors"
	"time"
)

// Retry calls attempt until it succeeds, with pauses in between, and gives its
// last error once a new attempt is useless or Attempts in a row have brought
// nothing. progress tells that an attempt that failed brought something: the count
// and the pauses start anew. again is told of each error that is followed by
// another attempt. When ctx ends, Retry gives its cause. A Later sets the pause
// that follows it.
func Retry(ctx context.Context, attempt func() (progress bool, err error), again func(error)) error {
	failures := 0
	for {
		progress, err := attempt()
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case progress:
			failures = 0
		}
		if failures++; IsFinal(err) || failures >= Attempts {
			return err
		}
		again(err)
		if err := Wait(ctx, pause(failures, err)); err != nil {
			return err
		}
	}
}

// pause is how long to wait after so many failures in a row: twice as long each
// time, a quarter more or less, so that those who failed together don't come back
// together. What the other side asked for is the least.
func pause(failures int, err error) time.Duration {
	p := Max
	if shift := failures - 1; shift < 16 && First<<shift < Max {
		p = First << shift
	}
	p += time.Duration((Random() - 0.5) / 2 * float64(p))
	var later Later
	if errors.As(err, &later) {
		p = max(p, later.After)
	}
	return p
}

// sleep waits unless ctx ends before: then it gives the cause.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}
