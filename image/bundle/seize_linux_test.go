package bundle

import (
	"errors"
	"io/fs"
	"testing"
)

// Where no directory can be made, the error says why.
func TestCannotBeMade(t *testing.T) {
	if _, err := openBundle("/sys/b", false); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error is %v", err)
	}
}
