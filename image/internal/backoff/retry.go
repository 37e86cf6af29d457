// Taking up again what broke.

package backoff

import (
	"errors"
	"io/fs"
	"time"

	"github.com/netbsd-cells/runcell/image/internal/verify"
)

const (
	// Attempts is how often a broken transfer is taken up again without a
	// single byte of progress.
	Attempts   = 5
	MaxBackoff = 8 * time.Second
)

// FirstBackoff is the pause before the first new attempt; tests shorten it.
var FirstBackoff = 250 * time.Millisecond

// Final is one that a new attempt would only repeat.
type Final struct{ Err error }

func (e Final) Error() string { return e.Err.Error() }

func (e Final) Unwrap() error { return e.Err }

// IsFinal tells whether a new attempt is useless.
func IsFinal(err error) bool {
	var f Final
	return errors.As(err, &f) || errors.Is(err, verify.ErrMismatch) || errors.Is(err, fs.ErrNotExist)
}
