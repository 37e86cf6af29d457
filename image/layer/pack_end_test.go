package layer

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// endsAfter ends a context with the first bytes of a file's content, and counts
// what still comes.
type endsAfter struct {
	end  context.CancelCauseFunc
	why  error
	more int
}

func (e *endsAfter) Write(p []byte) (int, error) {
	e.end(e.why)
	e.more += len(p)
	return len(p), nil
}

// Packing ends inside a file, not behind it.
func TestPackEndsInsideAFile(t *testing.T) {
	dir := t.TempDir()
	const size = 48 << 20
	half := bytes.Repeat([]byte("x"), size/2)
	for name, content := range map[string][]byte{"whole": bytes.Repeat(half, 2), "sparse": append(half, make([]byte, 32<<20)...)} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
		why := errors.New("enough")
		ctx, end := context.WithCancelCause(t.Context())
		w := &endsAfter{end: end, why: why}
		if _, err := Pack(ctx, dir, w, PackOptions{}); !errors.Is(err, why) {
			t.Errorf("%s: Pack = %v; want the cause of the end", name, err)
		}
		if w.more > 8<<20 {
			t.Errorf("%s: %d bytes came after the end; want the rest of a buffer", name, w.more)
		}
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
}
