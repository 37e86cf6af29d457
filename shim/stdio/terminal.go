package stdio

// Copying for terminals.

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// chunk is how much is copied at once, in bytes.
const chunk = 8 << 10

// carry copies until the source ends or the destination does not take any more.
// A destination that is gone must not stop a terminal: its process would wait.
func carry(to io.Writer, from *os.File) error {
	b := make([]byte, chunk)
	for {
		n, err := from.Read(b)
		if n > 0 {
			if _, werr := to.Write(b[:n]); werr != nil {
				to = discard{}
			}
		}
		if err != nil {
			return err // EIO: nobody has the terminal open any more
		}
	}
}

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }

func setSize(master *os.File, width, height uint16) error {
	raw, err := master.SyscallConn()
	if err != nil {
		return fmt.Errorf("resize terminal: %w", err)
	}
	var serr error
	err = raw.Control(func(fd uintptr) {
		serr = unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, &unix.Winsize{Row: height, Col: width})
	})
	if err == nil {
		err = serr
	}
	if err != nil {
		return fmt.Errorf("resize terminal: %w", err)
	}
	return nil
}
