package backoff

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestRetry(t *testing.T) {
	defer func(d time.Duration) { First = d }(First)
	First = time.Microsecond
	broken, stopped := errors.New("broken"), errors.New("stopped")
	for name, c := range map[string]struct {
		succeedAt  int // attempt, from 1; 0: never
		progressAt int
		final      bool
		stopAt     int
		want       error
		attempts   int
	}{
		"at once":         {succeedAt: 1, attempts: 1},
		"the last time":   {succeedAt: Attempts, attempts: Attempts},
		"never":           {want: broken, attempts: Attempts},
		"useless":         {final: true, want: broken, attempts: 1},
		"after progress":  {progressAt: 3, want: broken, attempts: 2 + Attempts},
		"until it is cut": {progressAt: 2, stopAt: 3, want: stopped, attempts: 3},
	} {
		ctx, stop := context.WithCancelCause(t.Context())
		attempts, told := 0, 0
		err := Retry(ctx, func() (bool, error) {
			attempts++
			if attempts == c.stopAt {
				stop(stopped)
			}
			switch {
			case attempts == c.succeedAt:
				return false, nil
			case c.final:
				return false, Final{Err: broken}
			}
			return attempts == c.progressAt, broken
		}, func(err error) {
			if told++; !errors.Is(err, broken) {
				t.Errorf("%s: told of %v", name, err)
			}
		})
		if !errors.Is(err, c.want) || attempts != c.attempts || told != attempts-1 {
			t.Errorf("%s: %v after %d attempts, told of %d; want %v after %d", name, err, attempts, told, c.want, c.attempts)
		}
		stop(nil)
	}
}

// Pauses grow to Max, are spread by a quarter, and are never shorter than what the
// other side asked for.
func TestPause(t *testing.T) {
	defer func(f func() float64) { Random = f }(Random)
	for _, c := range []struct {
		random   float64
		failures int
		after    time.Duration
		want     time.Duration
	}{
		{0.5, 1, 0, First},
		{0, 1, 0, First * 3 / 4},
		{1, 1, 0, First * 5 / 4},
		{0.5, 2, 0, 2 * First},
		{0.5, 4, 0, 8 * First},
		{0.5, 100, 0, Max},
		{1, 100, 0, Max * 5 / 4},
		{0.5, 1, time.Minute, time.Minute},
		{0.5, 100, time.Second, Max},
	} {
		Random = func() float64 { return c.random }
		if got := pause(c.failures, Later{errors.New("x"), c.after}); got != c.want {
			t.Errorf("pause(%d, %v) with %v = %v; want %v", c.failures, c.after, c.random, got, c.want)
		}
	}
}

// An interrupt ends a wait at once.
func TestWaitEnds(t *testing.T) {
	stopped := errors.New("stopped")
	ctx, stop := context.WithCancelCause(t.Context())
	stop(stopped)
	if err := Wait(ctx, time.Hour); !errors.Is(err, stopped) {
		t.Errorf("Wait = %v; want the cause", err)
	}
}
