package task

// What a container uses, in the form of control groups' numbers, which is what
// clients of containerd read. None is needed for them.

import (
	"fmt"
	"math"

	"github.com/containerd/cgroups/v3/cgroup2/stats"
	"github.com/netbsd-cells/runcell/kmod"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
)

func metrics(s *kmod.Stats) *stats.Metrics {
	limit := s.MaxProcesses
	if limit == 0 {
		limit = math.MaxUint64 // none
	}
	return &stats.Metrics{
		Pids: &stats.PidsStat{Current: s.Processes, Limit: limit},
		CPU: &stats.CPUStat{
			UsageUsec: uint64(s.CPU.Total.Microseconds()), UserUsec: uint64(s.CPU.User.Microseconds()), SystemUsec: uint64(s.CPU.System.Microseconds()),
		},
		Memory: &stats.MemoryStat{Usage: s.Memory, UsageLimit: math.MaxUint64, Anon: s.Memory},
		Io:     &stats.IOStat{}, // of no device: clients read its list without a look whether it is there
	}
}

// anyOf wraps a message as containerd does: the type's URL is its bare name.
func anyOf(m proto.Message) (*anypb.Any, error) {
	value, err := proto.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("write answer: %w", err)
	}
	return &anypb.Any{TypeUrl: string(m.ProtoReflect().Descriptor().FullName()), Value: value}, nil
}
