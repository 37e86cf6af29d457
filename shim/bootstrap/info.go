package bootstrap

// -info: what containerd asks a shim about itself.

import (
	"fmt"
	"io"

	"github.com/containerd/containerd/api/types"
	"github.com/netbsd-cells/runcell/shim"
	"google.golang.org/protobuf/proto"
)

// Info prints the shim's name and version, as a protobuf.
func Info(stdout io.Writer, version, commit string) error {
	text, err := proto.Marshal(&types.RuntimeInfo{
		Name: shim.Name, Version: &types.RuntimeVersion{Version: version, Revision: commit},
	})
	if err != nil {
		return fmt.Errorf("write info: %w", err)
	}
	_, err = stdout.Write(text)
	return err
}
