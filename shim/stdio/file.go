package stdio

// Output that goes into a file.

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/containerd/log"
)

// logFile is a file that is appended to. Writing never fails: a program does not
// wait for a disk that is full, nor does it end. What does not fit is lost.
type logFile struct {
	*os.File
	losing bool
}

// openFile makes the file, with its directory, if it is not there.
func openFile(path string) (*logFile, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("make directory of log: %w", err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	return &logFile{File: f}, nil
}

func (l *logFile) Write(b []byte) (int, error) {
	n, err := l.File.Write(b)
	if err != nil && !l.losing {
		log.L.Warnf("output is lost until there is room again: %v", err)
	}
	l.losing = err != nil
	return max(n, len(b)), nil
}
