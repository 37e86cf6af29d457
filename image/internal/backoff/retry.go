package backoff

// How long a pause is, and which errors end the attempts.

import (
	"errors"
	"io/fs"
	"time"

	"github.com/netbsd-cells/runcell/image/internal/verify"
)

const (
	// Attempts is how often a broken transfer is taken up again without a
	// single byte of progress.
	Attempts = 5
	// Max is the longest pause between two attempts; each is twice the last.
	Max = 8 * time.Second
)

// First is the pause before the first new attempt; tests shorten it.
var First = 250 * time.Millisecond

// Final is an error that a new attempt would only repeat.
type Final struct{ Err error }

// Error implements error.
func (e Final) Error() string { return e.Err.Error() }

// Unwrap gives the error itself, for errors.Is.
func (e Final) Unwrap() error { return e.Err }

// IsFinal tells whether a new attempt is useless: a Final one, wrong content,
// something that is not there.
func IsFinal(err error) bool {
	var f Final
	return errors.As(err, &f) || errors.Is(err, verify.ErrMismatch) || errors.Is(err, fs.ErrNotExist)
}
