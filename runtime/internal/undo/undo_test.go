package undo

import (
	"errors"
	"strings"
	"testing"
)

func TestRollbackGoesBackwards(t *testing.T) {
	var order []string
	var s Stack
	for _, n := range []string{"one", "two", "three"} {
		s.Did(n, func() error { order = append(order, n); return errors.New(n + " failed") })
	}
	s.Did("nothing to take back", nil)
	err := s.Rollback()
	if got := strings.Join(order, " "); got != "three two one" {
		t.Errorf("undo order = %s", got)
	}
	if err == nil || !strings.Contains(err.Error(), "one failed") || !strings.Contains(err.Error(), "three failed") {
		t.Errorf("rollback = %v; want every failure", err)
	}
	if err := s.Rollback(); err != nil || len(order) != 3 {
		t.Errorf("a second rollback = %v, undid %q", err, order)
	}
}
