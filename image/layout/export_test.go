package layout

import (
	"context"
	"os"
)

// InsideTemp is how the names of temporaries inside a layout begin.
const InsideTemp = insideTemp

// TempDir makes a locked directory beside target.
func TempDir(ctx context.Context, target string) (*os.File, error) { return tempDir(ctx, target) }

// TempFile makes a locked file beside target.
func TempFile(ctx context.Context, target string) (*os.File, error) { return tempFile(ctx, target) }
