package oci

// The plan: what Compile makes of a configuration.

import (
	"net/netip"
	"time"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/policy"
)

// Plan is everything the runtime does for one container, as plain data. It is
// what `runcell explain` prints and what is stored beside the state; nothing
// after Compile reads config.json again.
type Plan struct {
	OCIVersion    string   `json:"ociVersion"`
	Cell          Cell     `json:"cell"`
	Root          Root     `json:"root"`
	Mounts        []Mount  `json:"mounts,omitempty"`
	Devices       []Device `json:"devices,omitempty"`
	MaskedPaths   []string `json:"maskedPaths,omitempty"`
	ReadonlyPaths []string `json:"readonlyPaths,omitempty"`
	// OrdinaryDirs are destinations of Linux's kernel file systems that are not
	// mounted. As those that are, they must be no links in the root.
	OrdinaryDirs []string          `json:"ordinaryDirs,omitempty"`
	Process      *Process          `json:"process,omitempty"`
	Hooks        Hooks             `json:"hooks"`
	Annotations  map[string]string `json:"annotations,omitempty"`
	// Namespaces are those with a path that the cell does not join, and that must
	// be of their type all the same.
	Namespaces []Namespace `json:"namespaces,omitempty"`
	// CgroupsPath is linux.cgroupsPath below a hierarchy's mount point, absolute
	// and clean: for callers that read it themselves, and for the emulator.
	CgroupsPath string `json:"cgroupsPath,omitempty"`
	Notes       []Note `json:"notes,omitempty"`
}

// Cell is what the kernel is told. Its name and root are the runtime's to add.
type Cell struct {
	Profile      policy.Profile `json:"profile"`
	Permissions  policy.Set     `json:"permissions"`
	Grants       []Grant        `json:"grants,omitempty"`
	Ports        []kmod.Port    `json:"ports,omitempty"`
	Addresses    []Address      `json:"addresses,omitempty"`
	Network      kmod.Network   `json:"network"`
	MaxProcesses uint64         `json:"maxProcesses,omitempty"` // 0 = unlimited
}

// Grant says which config field opened (or closed) a permission.
type Grant struct {
	Permission policy.Permission `json:"permission"`
	Name       string            `json:"name"`
	Open       bool              `json:"open"`
	Field      string            `json:"field"` // "process.capabilities.bounding[2]: CAP_SYS_TIME"
}

// Address is an address that a cell owns on an interface.
type Address struct {
	Interface string       `json:"interface"`
	Prefix    netip.Prefix `json:"prefix"`
}

// Namespace is an entry of linux.namespaces that names an existing one.
type Namespace struct {
	Field string `json:"field"` // "linux.namespaces[2]"
	Type  string `json:"type"`  // "ipc"
	Path  string `json:"path"`
}

// Root is the container's root filesystem.
type Root struct {
	Path     string `json:"path"` // absolute, or relative to the bundle
	Readonly bool   `json:"readonly,omitempty"`
	NoSuid   bool   `json:"nosuid,omitempty"` // for process.noNewPrivileges on NetBSD
}

// Mount is one mount, flags already decoded.
type Mount struct {
	Field       string     `json:"field"`       // "mounts[3]"
	Destination string     `json:"destination"` // absolute inside the root
	Type        MountType  `json:"type"`
	Source      string     `json:"source,omitempty"` // bind: absolute, or relative to the bundle
	Recursive   bool       `json:"recursive,omitempty"`
	Flags       MountFlags `json:"flags"`
	// Below are the flags of the mounts below the source, when Recursive.
	Below  MountFlags `json:"below,omitzero"`
	Tmpfs  Tmpfs      `json:"tmpfs,omitzero"`
	Devpts Devpts     `json:"devpts,omitzero"`
}

// MountType is a kind of mount that both kernels have.
type MountType string

const (
	MountBind   MountType = "bind" // null on NetBSD
	MountTmpfs  MountType = "tmpfs"
	MountProc   MountType = "proc"   // procfs
	MountDevpts MountType = "devpts" // ptyfs
)

// MountFlags are the options that both kernels have.
type MountFlags struct {
	Readonly bool `json:"readonly,omitempty"`
	NoSuid   bool `json:"nosuid,omitempty"`
	NoDev    bool `json:"nodev,omitempty"`
	NoExec   bool `json:"noexec,omitempty"`
	NoAtime  bool `json:"noatime,omitempty"`
	RelAtime bool `json:"relatime,omitempty"`
	// StrictAtime is Linux's: NetBSD does it unless told otherwise.
	StrictAtime bool `json:"strictatime,omitempty"`
}

// Tmpfs holds tmpfs options. Without a limit the kernel's default counts; a
// limit of 0 is none.
type Tmpfs struct {
	Size   *uint64 `json:"size,omitempty"` // bytes
	Inodes *uint64 `json:"inodes,omitempty"`
	// Mode is the root directory's mode when HasMode is set. Otherwise it is
	// 1777, or the mode of the directory mounted upon when CopyUp is set.
	Mode    uint32 `json:"mode,omitempty"`
	HasMode bool   `json:"hasMode,omitempty"`
	UID     uint32 `json:"uid,omitempty"`
	GID     uint32 `json:"gid,omitempty"`
	CopyUp  bool   `json:"copyUp,omitempty"` // tmpcopyup: keep the directory's content
}

// Devpts holds devpts (ptyfs) options.
type Devpts struct {
	Mode   uint32 `json:"mode,omitempty"`
	GID    uint32 `json:"gid,omitempty"`
	HasGID bool   `json:"hasGID,omitempty"`
}

// Device is a node to make in the container's /dev. The number is that of
// the host's node of the same path: majors differ between ports.
type Device struct {
	Field string `json:"field"`
	Path  string `json:"path"` // inside the root, and on the host
	// Default marks a node of the minimal /dev: on a host that lacks it, it
	// is left out silently; a node from the config is an error.
	Default bool `json:"default,omitempty"`
	// Listed: the cell's policy opens the device, by its number.
	Listed bool    `json:"listed,omitempty"`
	Type   string  `json:"type"`  // "c", "b", "p"
	Major  int64   `json:"major"` // as in the config, for the emulator's host; -1 = the host's node
	Minor  int64   `json:"minor"`
	Mode   *uint32 `json:"mode,omitempty"` // nil = the host node's
	UID    *uint32 `json:"uid,omitempty"`
	GID    *uint32 `json:"gid,omitempty"`
}

// Process is a program to run in the cell.
type Process struct {
	Terminal       bool     `json:"terminal,omitempty"`
	ConsoleSize    *Size    `json:"consoleSize,omitempty"`
	Args           []string `json:"args"`
	Env            []string `json:"env,omitempty"`
	Cwd            string   `json:"cwd"`
	UID            uint32   `json:"uid"`
	GID            uint32   `json:"gid"`
	AdditionalGIDs []uint32 `json:"additionalGids,omitempty"`
	Umask          *uint32  `json:"umask,omitempty"`
	Rlimits        []Rlimit `json:"rlimits,omitempty"`
	Nice           *int     `json:"nice,omitempty"`
	NoNewPrivs     bool     `json:"noNewPrivileges,omitempty"`
}

// Size is a terminal's size in characters.
type Size struct {
	Height uint16 `json:"height"`
	Width  uint16 `json:"width"`
}

// Rlimit is a limit by its POSIX name; kmod.Unlimited is no limit.
type Rlimit struct {
	Type string `json:"type"` // "RLIMIT_NOFILE"
	Soft uint64 `json:"soft"`
	Hard uint64 `json:"hard"`
}

// Hook is a program run at a point of the container's life.
type Hook struct {
	Field   string        `json:"field"` // "hooks.createRuntime[0]"
	Path    string        `json:"path"`
	Args    []string      `json:"args,omitempty"` // empty: the path alone
	Env     []string      `json:"env,omitempty"`
	Timeout time.Duration `json:"timeout,omitempty"` // 0 = none
}

// Hooks are the six lists of runtime-spec 1.3, config.md "POSIX-platform Hooks".
type Hooks struct {
	Prestart        []Hook `json:"prestart,omitempty"`
	CreateRuntime   []Hook `json:"createRuntime,omitempty"`
	CreateContainer []Hook `json:"createContainer,omitempty"`
	StartContainer  []Hook `json:"startContainer,omitempty"`
	Poststart       []Hook `json:"poststart,omitempty"`
	Poststop        []Hook `json:"poststop,omitempty"`
}

// Grade says how faithfully a field is carried out.
type Grade string

const (
	Exact        Grade = "exact"
	Approximated Grade = "approximated"
	Refused      Grade = "refused" // a property that is not honoured
)

// Note is a row for a config field that is set. A Refused note whose Fatal
// is set stops Compile; any other that is not Exact is a warning, which
// --strict turns into an error.
type Note struct {
	Field  string `json:"field"`
	Value  string `json:"value,omitempty"`
	Grade  Grade  `json:"grade"`
	Reason string `json:"reason,omitempty"`
	Fatal  bool   `json:"fatal,omitempty"`
}
