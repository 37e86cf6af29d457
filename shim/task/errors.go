package task

// Errors as containerd understands them: by a code of gRPC.

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/runtime"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// kinds are the errors that a client of containerd tells apart. The first that
// matches counts.
var kinds = []struct {
	is   error
	code codes.Code
}{
	{runtime.ErrNotExist, codes.NotFound},
	{runtime.ErrNotRunning, codes.NotFound}, // a process that has ended, to who signals it
	{os.ErrProcessDone, codes.NotFound},
	{runtime.ErrExist, codes.AlreadyExists},
	{runtime.ErrPaused, codes.FailedPrecondition},
	{errOver, codes.FailedPrecondition},
	{kmod.ErrUnsupported, codes.Unimplemented},
	{kmod.ErrUnavailable, codes.Unavailable},
	{context.DeadlineExceeded, codes.DeadlineExceeded},
	{context.Canceled, codes.Canceled},
	{fs.ErrNotExist, codes.NotFound},
}

// coded gives an error its code. One that has a code keeps it.
func coded(err error) error {
	if _, has := status.FromError(err); has { // nil, too
		return err
	}
	for _, k := range kinds {
		if errors.Is(err, k.is) {
			return status.Error(k.code, err.Error())
		}
	}
	return status.Error(codes.Unknown, err.Error())
}

func notFound(format string, args ...any) error {
	return status.Errorf(codes.NotFound, format, args...)
}

func precondition(format string, args ...any) error {
	return status.Errorf(codes.FailedPrecondition, format, args...)
}

func invalid(format string, args ...any) error {
	return status.Errorf(codes.InvalidArgument, format, args...)
}
