package backoff

// How long a pause is, and which errors end the attempts.

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
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

// What tests replace, to be quick and to have the same pauses each time.
var (
	// First is the pause before the first new attempt.
	First = 250 * time.Millisecond
	// Random gives a number in [0, 1).
	Random = rand.Float64
	// Wait waits, unless ctx ends: then it gives the cause.
	Wait = sleep
)

// Final is an error that a new attempt would only repeat.
type Final struct{ Err error }

// Error implements error.
func (e Final) Error() string { return e.Err.Error() }

// Unwrap gives the error itself, for errors.Is.
func (e Final) Unwrap() error { return e.Err }

// Later is an error after which the other side wants to be left alone for a time.
type Later struct {
	Err   error
	After time.Duration
}

// Error implements error.
func (e Later) Error() string {
	if e.After <= 0 {
		return e.Err.Error()
	}
	return fmt.Sprintf("%v: it asks to wait for %v", e.Err, e.After)
}

// Unwrap gives the error itself, for errors.Is.
func (e Later) Unwrap() error { return e.Err }

// IsFinal tells whether a new attempt is useless: a Final one, wrong content,
// something that is not there.
func IsFinal(err error) bool {
	var f Final
	return errors.As(err, &f) || errors.Is(err, verify.ErrMismatch) || errors.Is(err, fs.ErrNotExist)
}
