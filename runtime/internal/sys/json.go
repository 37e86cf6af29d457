package sys

// Files of JSON in the state directory.

import (
	"errors"
	"fmt"

	"github.com/netbsd-cells/runcell/oci/strictjson"
)

// WriteJSON writes v with write, which is WriteFile or ReplaceFile, to a file
// that only root can read and write.
func WriteJSON(write func(path string, b []byte, mode uint32) error, path string, v any) error {
	b, err := strictjson.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode %s: %w", path, err)
	}
	if err := write(path, b, 0o600); err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	return nil
}

// ReadJSON reads a file into v. Without the file the error is fs.ErrNotExist; one
// that holds or is something else is an error that says how to get rid of it.
func ReadJSON(path string, v any) error {
	err := useFile(path, func(b []byte) error {
		if _, err := strictjson.Unmarshal(b, v); err != nil { // which keeps none of b
			return fmt.Errorf("read state %s: %w (remove the container with `delete --force`)", path, err)
		}
		return nil
	})
	if errors.Is(err, errNotRegular) || errors.Is(err, errTooLarge) {
		return fmt.Errorf("read state: %w (remove the container with `delete --force`)", err)
	}
	return err
}
