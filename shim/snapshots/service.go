package snapshots

// What containerd asks for (services/snapshots/v1/snapshots.proto).

import (
	"context"
	"errors"
	"maps"
	"strings"

	api "github.com/containerd/containerd/api/services/snapshots/v1"
	"github.com/containerd/containerd/api/types"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// service is a store as containerd calls it.
type service struct {
	api.UnimplementedSnapshotsServer
	store *Store
}

// Register has a server answer for a store.
func Register(server grpc.ServiceRegistrar, s *Store) {
	api.RegisterSnapshotsServer(server, &service{store: s})
}

// coded gives an error a code. One that has a code, perhaps inside, keeps it.
func coded(err error) error {
	var has interface{ GRPCStatus() *status.Status }
	switch {
	case err == nil:
		return nil
	case errors.As(err, &has):
		return status.Error(has.GRPCStatus().Code(), err.Error())
	case errors.Is(err, context.Canceled):
		return status.Error(codes.Canceled, err.Error())
	case errors.Is(err, context.DeadlineExceeded):
		return status.Error(codes.DeadlineExceeded, err.Error())
	}
	return status.Error(codes.Unknown, err.Error())
}

func mounts(n *Snapshot) (list []*types.Mount) {
	for _, m := range n.Mounts {
		options := []string{"rw"}
		if m.Readonly {
			options = []string{"ro"}
		}
		if bindOption != "" {
			options = append([]string{bindOption}, options...)
		}
		list = append(list, &types.Mount{Type: bindType, Source: m.Source, Target: m.Target, Options: options})
	}
	return list
}

var kinds = map[string]api.Kind{active: api.Kind_ACTIVE, view: api.Kind_VIEW, committed: api.Kind_COMMITTED}

func info(n *Snapshot) *api.Info {
	return &api.Info{
		Name: n.Key, Parent: n.Parent, Kind: kinds[n.Kind], Labels: n.Labels,
		CreatedAt: timestamppb.New(n.Created), UpdatedAt: timestamppb.New(n.Updated),
	}
}

// Prepare is of api.SnapshotsServer, as are the other methods.
func (s *service) Prepare(ctx context.Context, r *api.PrepareSnapshotRequest) (*api.PrepareSnapshotResponse, error) {
	n, err := s.store.Prepare(ctx, r.GetKey(), r.GetParent(), r.GetLabels())
	if err != nil {
		return nil, coded(err)
	}
	return &api.PrepareSnapshotResponse{Mounts: mounts(n)}, nil
}

func (s *service) View(ctx context.Context, r *api.ViewSnapshotRequest) (*api.ViewSnapshotResponse, error) {
	n, err := s.store.View(ctx, r.GetKey(), r.GetParent(), r.GetLabels())
	if err != nil {
		return nil, coded(err)
	}
	return &api.ViewSnapshotResponse{Mounts: mounts(n)}, nil
}

func (s *service) Mounts(_ context.Context, r *api.MountsRequest) (*api.MountsResponse, error) {
	n, err := s.store.Get(r.GetKey())
	switch {
	case err != nil:
		return nil, coded(err)
	case n.Kind == committed:
		return nil, status.Errorf(codes.FailedPrecondition, "mount snapshot %q: it is committed; make a view of it", n.Key)
	}
	return &api.MountsResponse{Mounts: mounts(n)}, nil
}

func (s *service) Commit(ctx context.Context, r *api.CommitSnapshotRequest) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, coded(s.store.Commit(ctx, r.GetName(), r.GetKey(), r.GetParent(), r.GetLabels()))
}

func (s *service) Remove(_ context.Context, r *api.RemoveSnapshotRequest) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, coded(s.store.Remove(r.GetKey()))
}

func (s *service) Stat(_ context.Context, r *api.StatSnapshotRequest) (*api.StatSnapshotResponse, error) {
	n, err := s.store.Get(r.GetKey())
	if err != nil {
		return nil, coded(err)
	}
	return &api.StatSnapshotResponse{Info: info(n)}, nil
}

func (s *service) Update(_ context.Context, r *api.UpdateSnapshotRequest) (*api.UpdateSnapshotResponse, error) {
	labels := r.GetInfo().GetLabels()
	change := func(map[string]string) map[string]string { return labels }
	if paths := r.GetUpdateMask().GetPaths(); len(paths) > 0 {
		some, err := changes(paths, labels)
		if err != nil {
			return nil, coded(err)
		}
		change = some
	}
	n, err := s.store.Relabel(r.GetInfo().GetName(), change)
	if err != nil {
		return nil, coded(err)
	}
	return &api.UpdateSnapshotResponse{Info: info(n)}, nil
}

// changes is what the fields of a mask mean: all labels, or some of them.
func changes(paths []string, labels map[string]string) (func(map[string]string) map[string]string, error) {
	for _, p := range paths {
		if p != "labels" && !strings.HasPrefix(p, "labels.") {
			return nil, status.Errorf(codes.InvalidArgument, "update %q: labels can be changed, and nothing else", p)
		}
	}
	return func(all map[string]string) map[string]string {
		if all == nil {
			all = map[string]string{}
		}
		for _, p := range paths {
			name, one := strings.CutPrefix(p, "labels.")
			value, set := labels[name]
			switch {
			case !one:
				all = maps.Clone(labels)
			case set && value != "":
				all[name] = value
			default:
				delete(all, name)
			}
		}
		return all
	}, nil
}

// List sends them in pieces that fit into a message.
func (s *service) List(r *api.ListSnapshotsRequest, stream api.Snapshots_ListServer) error {
	if f := r.GetFilters(); len(f) > 0 {
		return status.Errorf(codes.Unimplemented, "list snapshots: filters %q: only all of them can be listed; containerd filters by itself", f)
	}
	const piece = 100
	var infos []*api.Info
	for _, n := range s.store.List() {
		if infos = append(infos, info(n)); len(infos) == piece {
			if err := stream.Send(&api.ListSnapshotsResponse{Info: infos}); err != nil {
				return err
			}
			infos = nil
		}
	}
	if len(infos) == 0 {
		return nil
	}
	return stream.Send(&api.ListSnapshotsResponse{Info: infos})
}

func (s *service) Usage(_ context.Context, r *api.UsageRequest) (*api.UsageResponse, error) {
	size, inodes, err := s.store.Usage(r.GetKey())
	if err != nil {
		return nil, coded(err)
	}
	return &api.UsageResponse{Size: size, Inodes: inodes}, nil
}

// Cleanup is called after containerd has collected its garbage.
func (s *service) Cleanup(context.Context, *api.CleanupRequest) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, coded(s.store.Cleanup())
}
