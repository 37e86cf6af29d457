package imagetest

// What a layer does to a tree: whiteouts, replacements, links.

import "archive/tar"

// Change is layers, and what they make of a tree together.
type Change struct {
	Name   string
	Layers [][]Entry
	Tree   []string // as WantTree has it
}

// Changes is what layers may do to a tree.
var Changes = []Change{
	{
		"a whiteout hides a file and a directory of a lower layer",
		[][]Entry{{{Name: "d/f"}, {Name: "d/g"}, {Name: "e/f"}}, {{Name: "d/.wh.f"}, {Name: ".wh.e"}}},
		[]string{"d d 0755", "d/g f 0644 0"},
	},
	{
		"a whiteout of nothing, in no directory",
		[][]Entry{{{Name: "f"}}, {{Name: ".wh.g"}, {Name: "no/such/.wh.h"}, {Name: "f/.wh.x"}}},
		[]string{"f f 0644 0"},
	},
	{
		"a whiteout in the lowest layer hides nothing",
		[][]Entry{{{Name: "f"}, {Name: ".wh.f"}, {Name: "d/g"}, {Name: "d/.wh..wh..opq"}}},
		[]string{"d d 0755", "d/g f 0644 0", "f f 0644 0"},
	},
	{
		"a whiteout never hides its own layer's entry, before or after it",
		[][]Entry{{{Name: "f", Body: "old"}, {Name: "g", Body: "old"}}, {{Name: ".wh.f"}, {Name: "f", Body: "new!"}, {Name: "g", Body: "new!"}, {Name: ".wh.g"}}},
		[]string{"f f 0644 4", "g f 0644 4"},
	},
	{
		"a whiteout of a directory keeps what its own layer put there",
		[][]Entry{{{Name: "d/old"}, {Name: "d/sub/old"}}, {{Name: "d/sub/new"}, {Name: ".wh.d"}}},
		[]string{"d d 0755", "d/sub d 0755", "d/sub/new f 0644 0"},
	},
	{
		"an opaque marker before its siblings",
		[][]Entry{{{Name: "d/old"}, {Name: "d/sub/old"}}, {{Name: "d/.wh..wh..opq"}, {Name: "d/new"}}},
		[]string{"d d 0755", "d/new f 0644 0"},
	},
	{
		"an opaque marker after its siblings hides lower layers only",
		[][]Entry{{{Name: "d/old"}, {Name: "d/sub/old"}, {Name: "d/both", Body: "1"}}, {{Name: "d/new"}, {Name: "d/sub/new"}, {Name: "d/both", Body: "22"}, {Name: "d/.wh..wh..opq"}}},
		[]string{"d d 0755", "d/both f 0644 2", "d/new f 0644 0", "d/sub d 0755", "d/sub/new f 0644 0"},
	},
	{
		"an opaque marker at the root",
		[][]Entry{{{Name: "a"}, {Name: "b/c"}}, {{Name: "n"}, {Name: ".wh..wh..opq"}}},
		[]string{"n f 0644 0"},
	},
	{
		"opaque hides two lower layers, and the next layer starts anew",
		[][]Entry{{{Name: "d/1"}}, {{Name: "d/2"}}, {{Name: "d/.wh..wh..opq"}, {Name: "d/3"}}, {{Name: "d/4"}, {Name: "d/.wh.3"}}},
		[]string{"d d 0755", "d/4 f 0644 0"},
	},
	{
		"opaque under a link means the directory behind it",
		[][]Entry{{{Name: "real/old"}, {Name: "l", Type: tar.TypeSymlink, Link: "real"}}, {{Name: "l/new"}, {Name: "l/.wh..wh..opq"}}},
		[]string{"l l 0777 -> real", "real d 0755", "real/new f 0644 0"},
	},
	{
		"a hard link survives opaque if this layer made it",
		[][]Entry{{{Name: "d/old", Body: "x"}}, {{Name: "d/new", Type: tar.TypeLink, Link: "d/old"}, {Name: "d/.wh..wh..opq"}}},
		[]string{"d d 0755", "d/new f 0644 1"},
	},
	{
		"a directory replaces a file and a file a directory",
		[][]Entry{{{Name: "f"}, {Name: "d/sub/f"}}, {{Name: "f/"}, {Name: "f/x"}, {Name: "d", Body: "file"}}},
		[]string{"d f 0644 4", "f d 0755", "f/x f 0644 0"},
	},
	{
		"everything replaces everything",
		[][]Entry{
			{{Name: "a"}, {Name: "b/x/y"}, {Name: "c", Type: tar.TypeSymlink, Link: "b"}, {Name: "d", Type: tar.TypeFifo}, {Name: "e", Type: tar.TypeChar, Major: 1, Minor: 3}},
			{{Name: "b", Type: tar.TypeFifo}, {Name: "c", Type: tar.TypeChar, Major: 1, Minor: 5}, {Name: "d", Type: tar.TypeSymlink, Link: "a"}, {Name: "e/"}, {Name: "a", Type: tar.TypeBlock, Major: 7, Minor: 300}},
		},
		[]string{"a b 0644 7:300", "b p 0644", "c c 0644 1:5", "d l 0777 -> a", "e d 0755"},
	},
	{
		"the same name twice in a layer: the last counts",
		[][]Entry{{{Name: "f", Body: "1"}, {Name: "f", Body: "22"}, {Name: "d/x"}, {Name: "d", Body: "333"}}},
		[]string{"d f 0644 3", "f f 0644 2"},
	},
	{
		"a directory that is there keeps its content and gets the new mode",
		[][]Entry{{{Name: "d/", Mode: 0o700}, {Name: "d/f"}}, {{Name: "d/", Mode: 0o1777}}},
		[]string{"d d 1777", "d/f f 0644 0"},
	},
	{
		"merged /usr: entries below a link go where it leads",
		[][]Entry{{{Name: "usr/bin/sh"}, {Name: "bin", Type: tar.TypeSymlink, Link: "usr/bin"}, {Name: "var/run", Type: tar.TypeSymlink, Link: "/run"}}, {{Name: "bin/ls"}, {Name: "var/run/pid"}}},
		[]string{
			"bin l 0777 -> usr/bin", "run d 0755", "run/pid f 0644 0", "usr d 0755", "usr/bin d 0755", "usr/bin/ls f 0644 0",
			"usr/bin/sh f 0644 0", "var d 0755", "var/run l 0777 -> /run",
		},
	},
	{
		"directories without an entry are made",
		[][]Entry{{{Name: "a/b/c/f", Mode: 0o600}}},
		[]string{"a d 0755", "a/b d 0755", "a/b/c d 0755", "a/b/c/f f 0600 0"},
	},
	{
		"set-id bits survive owner and content",
		[][]Entry{{{Name: "su", Mode: 0o6755, Body: "x"}, {Name: "d/", Mode: 0o2775}, {Name: "d/f"}, {Name: "t/", Mode: 0o1777}}},
		[]string{"d d 2775", "d/f f 0644 0", "su f 6755 1", "t d 1777"},
	},
	{
		"a directory nobody may enter",
		[][]Entry{{{Name: "z/", Mode: 0o10000}, {Name: "z/f", Mode: 0o10000}}},
		[]string{"z d 0000", "z/f f 0000 0"},
	},
	{
		"spellings of one name",
		[][]Entry{{{Name: "./a//b/./f"}, {Name: "a/b/g"}}},
		[]string{"a d 0755", "a/b d 0755", "a/b/f f 0644 0", "a/b/g f 0644 0"},
	},
}
