package node

import (
	"errors"
	"fmt"
	"testing"

	"golang.org/x/sys/unix"
)

func TestFailed(t *testing.T) {
	for _, x := range []struct {
		err  error
		want string
	}{
		{nil, "ok"},
		{unix.EPERM, "EPERM"},
		{fmt.Errorf("open node: %w", unix.ENOENT), "ENOENT"},
		{unix.Errno(9999), "9999"},
		{errors.New("no errno"), Other},
	} {
		r := Failed(x.err)
		if r.Result() != x.want || (r.Detail == "") != (x.err == nil) {
			t.Errorf("Failed(%v) = %+v; want %s, and the error's text", x.err, r, x.want)
		}
	}
}
