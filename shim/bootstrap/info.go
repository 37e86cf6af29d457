package bootstrap

// -info: what containerd asks a shim about itself.

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/containerd/containerd/api/types"
	"github.com/netbsd-cells/runcell/shim"
	"github.com/opencontainers/runtime-spec/specs-go/features"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
)

// featuresURL is what containerd calls the document of runtime-spec's features.md, in
// JSON.
const featuresURL = "types.containerd.io/opencontainers/runtime-spec/1/features/Features"

// Info prints the shim's name and version and what it can do, as a protobuf. can may
// be nil: it is not known.
func Info(stdout io.Writer, version, commit string, can *features.Features) error {
	info := &types.RuntimeInfo{Name: shim.Name, Version: &types.RuntimeVersion{Version: version, Revision: commit}}
	if can != nil {
		text, err := json.Marshal(can)
		if err != nil {
			return fmt.Errorf("write info: %w", err)
		}
		info.Features = &anypb.Any{TypeUrl: featuresURL, Value: text}
	}
	text, err := proto.Marshal(info)
	if err != nil {
		return fmt.Errorf("write info: %w", err)
	}
	_, err = stdout.Write(text)
	return err
}
