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
