package state

// Names: a container's id as callers give it, and the cell's name made of it.

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/netbsd-cells/runcell/kmod"
)

// maxID keeps the state directory's name within NAME_MAX.
const maxID = 255

// ValidateID accepts what runc accepts: [A-Za-z0-9_+.-]+, but not "." or
// "..". The id names a directory, so this is also the guard against path
// traversal.
func ValidateID(id string) error {
	if id == "" {
		return fmt.Errorf("container id is empty: give a name made of A-Z a-z 0-9 _ + . -")
	}
	if len(id) > maxID {
		return fmt.Errorf("container id %.20q... has %d bytes: at most %d are possible", id, len(id), maxID)
	}
	if id == "." || id == ".." {
		return fmt.Errorf("container id %q is a directory's name: choose another", id)
	}
	for _, c := range id {
		if !idChar(c) {
			return fmt.Errorf("container id %q has an invalid character %q: use A-Z a-z 0-9 _ + . -", id, c)
		}
	}
	return nil
}

func idChar(c rune) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		c == '_' || c == '+' || c == '.' || c == '-'
}

// CellName makes the kernel's name of a container: a readable beginning and a
// hash of state directory and id. A 64-hex id does not fit the kernel's 63
// bytes, '+' is not allowed there, and one id may be used below two roots.
// It depends on nothing else, so that a container whose state was never
// written can still be cleaned up.
func CellName(root, id string) string {
	sum := sha256.Sum256([]byte(root + "\x00" + id))
	tail := "." + hex.EncodeToString(sum[:8])
	head := []byte(id)
	if len(head) > kmod.MaxName-len(tail) {
		head = head[:kmod.MaxName-len(tail)]
	}
	for i, c := range head {
		if c == '+' {
			head[i] = '_'
		}
	}
	return string(head) + tail
}
