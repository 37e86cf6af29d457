package backoff

// A new attempt as long as there is progress or patience.

import (
	"context"
	"time"
)

// Retry calls attempt until it succeeds, with pauses in between, and gives its
// last error once a new attempt is useless or Attempts in a row have brought
// nothing. progress tells that an attempt that failed brought something: the count
// and the pauses start anew. again is told of each error that is followed by
// another attempt. When ctx ends, Retry gives its cause.
func Retry(ctx context.Context, attempt func() (progress bool, err error), again func(error)) error {
	failures, pause := 0, First
	for {
		progress, err := attempt()
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case progress:
			failures, pause = 0, First
		}
		if failures++; IsFinal(err) || failures >= Attempts {
			return err
		}
		again(err)
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(pause):
		}
		pause = min(2*pause, Max)
	}
}
