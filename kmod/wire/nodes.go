package wire

// The nodes, and what they answer.

// Node is a sysctl node below security.models.cell.
type Node struct {
	Name string
	// Published nodes are those of the published module, kept bit for bit.
	Published bool
	Request   string // what is written, empty if nothing
	Reply     string // what is read, empty if nothing
	Does      string
	// Errors are the errnos in the order in which they are checked.
	Errors []NodeError
}

// NodeError is an errno and when it is given.
type NodeError struct{ Errno, When string }

// The errnos that all new nodes begin with, in this order.
var (
	noRequest = NodeError{"EINVAL", "nothing is written"}
	notRoot   = NodeError{"EPERM", "the caller is not root on the host, or is in a cell"}
	badSize   = NodeError{"EINVAL", "the request has another size"}
	fault     = NodeError{"EFAULT", "the request can't be read"}
	noCell    = NodeError{"ENOENT", "no such cell"}
	noRoom    = NodeError{"ENOMEM", "there is less room than the reply needs; the length needed is given"}
)

// Nodes lists them all.
var Nodes = []Node{
	{
		Name: "name", Published: true, Reply: "string",
		Does: "The security model's name for people.",
	},
	{
		Name: "id", Published: true, Request: "uint32", Reply: "uint32",
		Does: "Reading gives the caller's cell, 0 on the host. Writing enters a cell, for good (0 does nothing): the caller's root directory must be the very directory that create resolved.",
		Errors: []NodeError{
			{"EPERM", "the caller is not root on the host, or is in a cell (even to read)"},
			{"EINVAL", "the request has another size"},
			fault,
			noCell,
			{"EPERM", "the caller's root directory is another one"},
			{"EBUSY", "the cell is being killed (this module)"},
			{"EAGAIN", "the cell has as many processes as its policy allows (this module)"},
		},
	},
	{
		Name: "create", Published: true, Request: "struct cell_create", Reply: "struct cell_create",
		Does: "Makes a cell. One call writes the request and reads the reply with cc_id. The root is resolved and held until destroy. Ids grow from 1 and are never used again.",
		Errors: []NodeError{
			noRequest,
			notRoot,
			{"ENOMEM", "there is no room for the reply"},
			badSize,
			fault,
			{"EINVAL", "an unknown flag; ports that are 0, given twice, more than 32 or without their flag; an rlimit without its flag; an unknown profile; an empty or bad name; a root that is empty, relative or has a control character"},
			{"ENXIO", "the module is being loaded or unloaded"},
			{"any of namei(9)", "the root can't be resolved; ENOTDIR: it is no directory"},
			{"EEXIST", "the name is in use, or another cell or the host has reserved one of the ports"},
			{"EOVERFLOW", "all ids are used up"},
		},
	},
	{
		Name: "destroy", Published: true, Request: "uint32",
		Does: "Removes a cell without processes. It never kills.",
		Errors: []NodeError{
			noRequest,
			notRoot,
			badSize,
			fault,
			{"EINVAL", "0, the host"},
			noCell,
			{"EBUSY", "it has processes, ended ones that wait to be reaped included"},
		},
	},
	{
		Name: "list", Published: true, Reply: "array of struct cell_info",
		Does: "Every cell, the newest first. Any user of the host may read it. Whoever asks also ends the stretches of CPU time.",
		Errors: []NodeError{
			{"EPERM", "something is written, or the caller is in a cell"},
			noRoom,
		},
	},
	{
		Name: "abi", Reply: "uint32",
		Does: "The version of this page that the module implements. Anybody may read it.",
	},
	{
		Name: "policy", Request: "struct cell_policy",
		Does:  "Sets what a cell may do, until its first process enters; after that, the process limit alone. A request of four bytes, the cell's id, reads it. The 1312 bytes of version 2, up to cp_devices, are taken for a policy without devices, and given of one to who has room for just these. Of cell 0, the host, it is what the host reserves for itself, and can be changed at any time.",
		Reply: "struct cell_policy",
		Errors: []NodeError{
			noRequest,
			notRoot,
			badSize,
			fault,
			{"EINVAL", "an unknown network, bit, family or protocol; a count that is too large; addresses without network addresses, or the reverse; a port that is 0; an entry given twice or, beyond the count, not 0; a wildcard or IPv4-mapped address; a device that is neither; of cell 0, network none, a permission, a limit or a device"},
			noCell,
			{"ENOMEM", "reading: there is no room for the reply"},
			{"EBUSY", "a process has entered and more than max_processes differs, or the cell is being killed"},
			{"EEXIST", "another cell, or the host, has reserved one of the ports on an address that overlaps"},
		},
	},
	{
		Name: "procs", Request: "uint32", Reply: "array of int32",
		Does:   "The pids of a cell's processes that have not ended, ascending.",
		Errors: []NodeError{noRequest, notRoot, badSize, fault, noCell, noRoom},
	},
	{
		Name: "kill", Request: "struct cell_kill", Reply: "uint32",
		Does: "Signals every process of a cell and gives their number. The reply may be left out. With SIGKILL the cell is dying from then on: it can't fork, nobody can enter, and every request is denied.",
		Errors: []NodeError{
			noRequest,
			notRoot,
			badSize,
			fault,
			{"EINVAL", "no such signal"},
			noCell,
		},
	},
	{
		Name: "stats", Request: "uint32", Reply: "struct cell_stats",
		Does:   "What a cell does and what it was denied.",
		Errors: []NodeError{noRequest, notRoot, badSize, fault, noCell, noRoom},
	},
	{
		Name: "status", Request: "uint32", Reply: "struct cell_status",
		Does:   "What became of the first process that entered. It does not wait: kqueue(2)'s NOTE_EXIT on the pid does, and the status stands here before it fires.",
		Errors: []NodeError{noRequest, notRoot, badSize, fault, noCell, noRoom},
	},
}
