package main

// Survivors that may be in layers, registries and shims.

var acceptedImages = []excuse{
	{
		"image/bundle/place.go isOurs operand: ok &&", same,
		"the systems here give nothing else for a file",
	},
	{
		"image/bundle/place.go bundle.check operand: err != nil ||", same,
		"what has no name there is no file, and so not the same one",
	},
	{
		"image/bundle/place.go bundle.seize operand: !ok ||", same,
		"the systems here give nothing else for a file",
	},
	{
		"image/bundle/place.go bundle.removeAll omit: t.Deepen(1)", same,
		"what is deeper is removed all the same, only not as quickly",
	},
	{
		"image/bundle/user.go isID operand: n < math.MaxInt &&", same,
		"of an int of 64 bits the other bound is lower; of 32 it is this one",
	},
	{
		"image/bundle/user.go isID boundary: n < math.MaxInt", same,
		"the same",
	},
	{
		"image/layer/apply.go Applier.Apply boundary: number > 1", same,
		"all that is there in the lowest layer is its own",
	},
	{
		"image/layer/entry.go Applier.content skip: case sparse && a.in.N == before", same,
		"what is zero becomes a hole all the same, but is looked at before",
	},
	{
		"image/layer/entry.go Applier.content operand: sparse &&", same,
		"content that is not sparse does not come without being read",
	},
	{
		"image/layer/entry.go writeSparse skip: if stream.IsZero(p)", same,
		"it is skipped block by block",
	},
	{
		"image/layer/flags.go flagged.isStill operand: generationOf(&f.st) == generationOf(now) &&", same,
		"files have no generation on Linux; on NetBSD one that took another's inode has another",
	},
	{
		"image/layer/metadata.go Applier.metadata skip: case f != nil", same,
		"it is the file that was just made under this name",
	},
	{
		"image/layer/metadata.go Applier.metadata skip: if !a.root && mode&^0o777 != 0 && refusesMode(err)", same,
		"Linux refuses an owner no mode, and what is not ours is refused again",
	},
	{
		"image/layer/metadata.go Applier.metadata operand: !a.root &&", same,
		"the same",
	},
	{
		"image/layer/metadata.go Applier.metadata operand: mode&^0o777 != 0 &&", same,
		"the same",
	},
	{
		"image/layer/metadata.go Applier.metadata omit: err = a.tree.Chmod(name, mode&0o777)", same,
		"the same",
	},
	{
		"image/layer/owner.go SetOwner skip: if hdr.Uid < 0 || hdr.Gid < 0", same,
		"an int of 64 bits has room for all; of 32 it has not",
	},
	{
		"image/layer/owner.go SetOwner operand: hdr.Uid < 0 ||", same,
		"the same",
	},
	{
		"image/layer/owner.go SetOwner operand: hdr.Gid < 0 ||", same,
		"the same",
	},
	{
		"image/layer/pathset.go pathSet.add skip: if ok", same,
		"what is above a path that is there is there, too, and is added again",
	},
	{
		"image/layer/pathset.go pathSet.add boundary: i < 0", same,
		"no path here begins with a slash",
	},
	{
		"image/layer/rootless.go Applier.recordOwner operand: hdr.Typeflag != tar.TypeSymlink &&", same,
		"Linux gives a link or a FIFO no such attribute, and the note is the same",
	},
	{
		"image/layer/rootless.go Applier.recordOwner operand: hdr.Typeflag != tar.TypeFifo &&", same,
		"the same",
	},
	{
		"image/layer/rootless.go packer.recorded flag: mode in mode|0o400", same,
		"it has its mode again at once",
	},
	{
		"image/registry/auth.go authConfig.find boundary: i < 0", same,
		"a registry has a name: no key begins with a slash",
	},
	{
		"image/trust/policy.go Policy.For boundary: len(r.Prefix) > len(best.Prefix)", same,
		"two prefixes of one name that are as long are one, and ParsePolicy takes no prefix twice",
	},
	{
		`image/layer/metadata.go Applier.metadata omit: a.notes.Add(image.Quote(hdr.Name), "set-id and sticky bits are not kept: only root can set them here")`, same,
		"never reached on Linux, but where the unpack ends with an error",
	},
	{
		"shim/mounts/mount_linux.go mount operand: bits&unix.MS_BIND != 0 &&", same,
		"the second call gives another mount the flags that it has",
	},
	{
		"shim/mounts/mounts.go checkTargets operand: i > 0 && #2", same,
		"the first one has no target here, which is clean",
	},
	{
		"shim/mounts/mounts.go checkTargets boundary: i > 0 #2", same,
		"the same",
	},
	{
		"shim/mounts/mounts.go Ended operand: !makesRoots ||", same,
		"it is false here",
	},
	{
		"shim/mounts/mounts.go hooked operand: err != nil ||", same,
		"what was not read is no JSON",
	},
	{
		"shim/mounts/mounts.go Remove omit: time.Sleep(10 * time.Millisecond)", same,
		"it asks more often",
	},
}
