// Taking up again what broke.

package image

import (
	"errors"
	"io/fs"
	"time"
)

const (
	// attempts is how often a broken transfer is taken up again without a
	// single byte of progress.
	attempts   = 5
	maxBackoff = 8 * time.Second
)

// firstBackoff is the pause before the first new attempt; tests shorten it.
var firstBackoff = 250 * time.Millisecond

// finalError is one that a new attempt would only repeat.
type finalError struct{ err error }

func (e finalError) Error() string { return e.err.Error() }

func (e finalError) Unwrap() error { return e.err }

// isFinal tells whether a new attempt is useless.
func isFinal(err error) bool {
	var f finalError
	return errors.As(err, &f) || errors.Is(err, errUnverified) || errors.Is(err, fs.ErrNotExist)
}
