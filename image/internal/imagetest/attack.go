package imagetest

// Every attack on an unpacker that we know of, as a generated layer.

import (
	"archive/tar"
	"strings"
)

// Attack is layers that go for what is around the tree.
type Attack struct {
	Name   string
	Layers [][]Entry
	Refuse string   // part of the reason why the last layer is refused
	Tree   []string // else what is there, as WantTree has it
}

// Attacks is every attack on an unpacker that we know of. One that is harmless
// inside the tree is applied there.
var Attacks = []Attack{
	{
		"CVE-2021-29136: the root replaced by a link",
		[][]Entry{{{Name: ".", Type: tar.TypeSymlink, Link: "/etc"}}},
		"replace the root directory", nil,
	},
	{
		"the root replaced by a link, spelled /",
		[][]Entry{{{Name: "/", Type: tar.TypeSymlink, Link: "../../victim"}}},
		"replace the root directory", nil,
	},
	{
		"the root replaced by a hard link",
		[][]Entry{{{Name: "f"}, {Name: "./", Type: tar.TypeLink, Link: "f"}}},
		"replace the root directory", nil,
	},
	{
		"the root replaced by a file in an upper layer",
		[][]Entry{{{Name: "f"}}, {{Name: "././.", Type: tar.TypeFifo}}},
		"replace the root directory", nil,
	},
	{
		"dot-dot at the start",
		[][]Entry{{{Name: "../file", Body: "x"}}},
		`".." in the name`, nil,
	},
	{
		"dot-dot in the middle, lexically inside",
		[][]Entry{{{Name: "a/"}, {Name: "a/../b", Body: "x"}}},
		"",
		[]string{"a d 0755", "b f 0644 1"},
	},
	{
		"dot-dot behind a link is text, as it is for other tools",
		[][]Entry{{{Name: "d/sub/"}, {Name: "l", Type: tar.TypeSymlink, Link: "d/sub"}, {Name: "l/../b", Body: "x"}}},
		"",
		[]string{"b f 0644 1", "d d 0755", "d/sub d 0755", "l l 0777 -> d/sub"},
	},
	{
		"dot-dot that leads out in the end",
		[][]Entry{{{Name: "a/../../b", Body: "x"}}},
		`".." in the name leads out`, nil,
	},
	{
		"a hard link with dot-dot inside",
		[][]Entry{{{Name: "a/f", Body: "x"}, {Name: "h", Type: tar.TypeLink, Link: "b/../a/f"}}},
		"",
		[]string{"a d 0755", "a/f f 0644 1", "h f 0644 1 = a/f"},
	},
	{
		"dot-dot as a directory",
		[][]Entry{{{Name: "../", Mode: 0o777}}},
		`".." in the name`, nil,
	},
	{
		"an absolute name is relative to the root",
		[][]Entry{{{Name: "/etc/passwd", Body: "x"}}},
		"",
		[]string{"etc d 0755", "etc/passwd f 0644 1"},
	},
	{
		"CVE-2026-46703: an absolute link, then a write through it",
		[][]Entry{{{Name: "e", Type: tar.TypeSymlink, Link: "/etc"}, {Name: "e/passwd", Body: "x"}}},
		"",
		[]string{"e l 0777 -> /etc", "etc d 0755", "etc/passwd f 0644 1"},
	},
	{
		"a relative link out, then a write through it",
		[][]Entry{{{Name: "e", Type: tar.TypeSymlink, Link: "../../victim"}, {Name: "e/file", Body: "x"}}},
		"",
		[]string{"e l 0777 -> ../../victim", "victim d 0755", "victim/file f 0644 1"},
	},
	{
		"CVE-2026-85731: a chain of links inside lexically, outside when resolved",
		[][]Entry{{
			{Name: "a/b/"},
			{Name: "a/b/up", Type: tar.TypeSymlink, Link: "../.."},
			{Name: "out", Type: tar.TypeSymlink, Link: "a/b/up/../../victim"},
			{Name: "out/file", Body: "x"},
		}},
		"",
		[]string{"a d 0755", "a/b d 0755", "a/b/up l 0777 -> ../..", "out l 0777 -> a/b/up/../../victim", "victim d 0755", "victim/file f 0644 1"},
	},
	{
		"a link made in a lower layer",
		[][]Entry{{{Name: "e", Type: tar.TypeSymlink, Link: "/../../../../etc"}}, {{Name: "e/passwd", Body: "x"}}},
		"",
		[]string{"e l 0777 -> /../../../../etc", "etc d 0755", "etc/passwd f 0644 1"},
	},
	{
		"links in a circle",
		[][]Entry{{{Name: "a", Type: tar.TypeSymlink, Link: "b"}, {Name: "b", Type: tar.TypeSymlink, Link: "a"}, {Name: "a/f"}}},
		"too many levels of symbolic links", nil,
	},
	{
		"a file written over a link does not follow it",
		[][]Entry{{{Name: "f", Type: tar.TypeSymlink, Link: "../../../file"}}, {{Name: "f", Body: "x"}}},
		"",
		[]string{"f f 0644 1"},
	},
	{
		"CVE-2021-32760: a directory entry over a link changes no mode behind it",
		[][]Entry{{{Name: "d", Type: tar.TypeSymlink, Link: "../../../victim"}}, {{Name: "d/", Mode: 0o777}}},
		"",
		[]string{"d d 0777"},
	},
	{
		"CVE-2026-17106: an absolute hard link is relative to the root",
		[][]Entry{{{Name: "etc/passwd", Body: "in"}, {Name: "h", Type: tar.TypeLink, Link: "/etc/passwd"}}},
		"",
		[]string{"etc d 0755", "etc/passwd f 0644 2", "h f 0644 2 = etc/passwd"},
	},
	{
		"a hard link to a host file",
		[][]Entry{{{Name: "h", Type: tar.TypeLink, Link: "/etc/passwd"}}},
		"a hard link needs an earlier entry", nil,
	},
	{
		"a hard link with dot-dot",
		[][]Entry{{{Name: "h", Type: tar.TypeLink, Link: "../../file"}}},
		`".." in the name`, nil,
	},
	{
		"CVE-2026-50163: a relative hard link is not relative to the working directory",
		[][]Entry{{{Name: "h", Type: tar.TypeLink, Link: "attack_test.go"}}},
		"a hard link needs an earlier entry", nil,
	},
	{
		"a hard link through a link",
		[][]Entry{{{Name: "e", Type: tar.TypeSymlink, Link: "../../.."}, {Name: "h", Type: tar.TypeLink, Link: "e/file"}}},
		"a hard link needs an earlier entry", nil,
	},
	{
		"a hard link to a link does not follow it",
		[][]Entry{{{Name: "s", Type: tar.TypeSymlink, Link: "../../file"}, {Name: "h", Type: tar.TypeLink, Link: "s"}}},
		"",
		[]string{"h l 0777 -> ../../file", "s l 0777 -> ../../file = h"},
	},
	{
		"a hard link to a later entry",
		[][]Entry{{{Name: "h", Type: tar.TypeLink, Link: "later"}, {Name: "later"}}},
		"a hard link needs an earlier entry", nil,
	},
	{
		"a hard link to itself",
		[][]Entry{{{Name: "h", Type: tar.TypeLink, Link: "h"}}},
		"a hard link needs an earlier entry", nil,
	},
	{
		"a hard link to a directory",
		[][]Entry{{{Name: "d/"}, {Name: "h", Type: tar.TypeLink, Link: "d"}}},
		"a hard link to a directory", nil,
	},
	{
		"a hard link to the root",
		[][]Entry{{{Name: "h", Type: tar.TypeLink, Link: "/"}}},
		"it is the root directory", nil,
	},
	{
		"a hard link that replaces the directory its target is in",
		[][]Entry{{{Name: "d/f"}, {Name: "d", Type: tar.TypeLink, Link: "d/f"}}},
		"no such file", nil,
	},
	{
		"a file is written over one name of two, the other stays",
		[][]Entry{{{Name: "a", Body: "old"}, {Name: "b", Type: tar.TypeLink, Link: "a"}}, {{Name: "b", Body: "new!"}}},
		"",
		[]string{"a f 0644 3", "b f 0644 4"},
	},
	{
		"a bare whiteout",
		[][]Entry{{{Name: "f"}}, {{Name: ".wh."}}},
		"a whiteout without a name", nil,
	},
	{
		"a whiteout of dot-dot",
		[][]Entry{{{Name: "a/f"}}, {{Name: "a/.wh..."}}},
		`a whiteout of ".."`, nil,
	},
	{
		"a whiteout of dot",
		[][]Entry{{{Name: "a/f"}}, {{Name: "a/.wh.."}}},
		`a whiteout of "."`, nil,
	},
	{
		"a whiteout of a whiteout",
		[][]Entry{{{Name: "f"}}, {{Name: ".wh..wh.f"}}},
		"a whiteout of a name that starts with .wh.", nil,
	},
	{
		"a directory named like a whiteout",
		[][]Entry{{{Name: ".wh.d/f"}}},
		"reserved for whiteouts", nil,
	},
	{
		"a whiteout through a link that leads out",
		[][]Entry{{{Name: "e", Type: tar.TypeSymlink, Link: "../../victim"}, {Name: "keep"}}, {{Name: "e/.wh.file"}}},
		"",
		[]string{"e l 0777 -> ../../victim", "keep f 0644 0"},
	},
	{
		"a whiteout through a link inside",
		[][]Entry{{{Name: "e", Type: tar.TypeSymlink, Link: "/d"}, {Name: "d/f"}, {Name: "d/g"}}, {{Name: "e/.wh.f"}}},
		"",
		[]string{"d d 0755", "d/g f 0644 0", "e l 0777 -> /d"},
	},
	{
		"an opaque marker through a link that leads out",
		[][]Entry{{{Name: "e", Type: tar.TypeSymlink, Link: "../../victim"}}, {{Name: "e/.wh..wh..opq"}}},
		"",
		[]string{"e l 0777 -> ../../victim"},
	},
	{
		"a whiteout of a link removes the link",
		[][]Entry{{{Name: "e", Type: tar.TypeSymlink, Link: "../../victim"}}, {{Name: ".wh.e"}}},
		"", nil,
	},
	{
		"a file under a file",
		[][]Entry{{{Name: "f"}, {Name: "f/g"}}},
		"not a directory", nil,
	},
	{
		"a file under a file that this layer has replaced",
		[][]Entry{{{Name: "f"}}, {{Name: "f", Body: "x"}, {Name: "f/g"}}},
		"not a directory", nil,
	},
	{
		"a tree in the place of a file of a lower layer",
		[][]Entry{{{Name: "f"}, {Name: "k", Type: tar.TypeFifo}}, {{Name: "f/g/h", Body: "x"}, {Name: "f/i"}, {Name: "k/l", Type: tar.TypeLink, Link: "f/i"}}},
		"",
		[]string{"f d 0755", "f/g d 0755", "f/g/h f 0644 1", "f/i f 0644 0", "k d 0755", "k/l f 0644 0 = f/i"},
	},
	{
		"a tree in the place of a file that a link leads to",
		[][]Entry{{{Name: "l", Type: tar.TypeSymlink, Link: "../../file"}, {Name: "file"}}, {{Name: "l/g"}}},
		"",
		[]string{"file d 0755", "file/g f 0644 0", "l l 0777 -> ../../file"},
	},
	{
		"a name of 4 KiB",
		[][]Entry{{{Name: strings.Repeat("a/", 2100) + "f"}}},
		"a name of 4201 bytes", nil,
	},
	{
		"a link target of 4 KiB",
		[][]Entry{{{Name: "l", Type: tar.TypeSymlink, Link: strings.Repeat("a/", 2100)}}},
		"a link target of 4200 bytes", nil,
	},
	{
		"a name component of 256 bytes",
		[][]Entry{{{Name: strings.Repeat("a", 256)}}},
		"a name component of 256 bytes", nil,
	},
	{
		"directories too deep",
		[][]Entry{{{Name: strings.Repeat("a/", 600) + "f"}}},
		"more than 512 directories deep", nil,
	},
	{
		"directories made deeper through a link",
		[][]Entry{{
			{Name: strings.Repeat("a/", 500)},
			{Name: "l", Type: tar.TypeSymlink, Link: strings.Repeat("a/", 500)},
			{Name: "l/" + strings.Repeat("b/", 20) + "f"},
		}},
		"more than 512 directories deep", nil,
	},
	{
		"a link without a target",
		[][]Entry{{{Name: "l", Type: tar.TypeSymlink}}},
		"without a target", nil,
	},
	{
		"an unknown type",
		[][]Entry{{{Name: "v", Type: 'V'}}},
		"only files, directories", nil,
	},
	{
		"a device number out of range",
		[][]Entry{{{Name: "d", Type: tar.TypeChar, Major: 1 << 40, Minor: 1}}},
		"out of range", nil,
	},
	{
		"hard links to aufs leftovers",
		[][]Entry{
			{{Name: "d/"}, {Name: ".wh..wh.plnk/"}, {Name: ".wh..wh.plnk/1.2", Body: "x", Mode: 0o600}, {Name: "a", Type: tar.TypeLink, Link: ".wh..wh.plnk/1.2"}, {Name: "d/b", Type: tar.TypeLink, Link: "/.wh..wh.plnk/1.2"}},
			{{Name: ".wh..wh.plnk/1.2", Body: "other"}, {Name: ".wh..wh..opq"}, {Name: "c", Type: tar.TypeLink, Link: ".wh..wh.plnk/1.2"}},
		},
		"",
		[]string{"c f 0644 5"},
	},
	{
		"a hard link to an aufs leftover of a lower layer",
		[][]Entry{{{Name: ".wh..wh.plnk/1.2", Body: "x"}}, {{Name: "c", Type: tar.TypeLink, Link: ".wh..wh.plnk/1.2"}}},
		"a hard link needs an earlier entry", nil,
	},
	{
		"a device whose minor number Linux would cut off",
		[][]Entry{{{Name: "d", Type: tar.TypeChar, Major: 1, Minor: 1<<20 + 3}}},
		"out of range", nil,
	},
	{
		"a device whose major number Linux would cut off",
		[][]Entry{{{Name: "d", Type: tar.TypeChar, Major: 1<<12 + 1, Minor: 3}}},
		"out of range", nil,
	},
	{
		"device numbers of all bits",
		[][]Entry{{{Name: "c", Type: tar.TypeChar, Major: 4095, Minor: 1<<20 - 1}, {Name: "d", Type: tar.TypeBlock, Major: 259, Minor: 300}}},
		"",
		[]string{"c c 0644 4095:1048575", "d b 0644 259:300"},
	},
	{
		"aufs leftovers that are links out",
		[][]Entry{{{Name: ".wh..wh.plnk", Type: tar.TypeSymlink, Link: "../.."}, {Name: ".wh..wh.plnk/l", Type: tar.TypeSymlink, Link: "../../victim"}, {Name: ".wh..wh.plnk/d/file", Body: "x"}, {Name: ".wh..wh.plnk/1", Body: "x"}, {Name: "f"}}},
		"",
		[]string{"f f 0644 0"},
	},
	{
		"aufs leftovers",
		[][]Entry{{{Name: ".wh..wh.plnk/"}, {Name: ".wh..wh.plnk/1.2", Body: "x"}, {Name: ".wh..wh.aufs"}, {Name: "f"}}},
		"",
		[]string{"f f 0644 0"},
	},
	{
		"overlay attributes",
		[][]Entry{{{Name: "d/", PAX: map[string]string{"SCHILY.xattr.trusted.overlay.redirect": "/../../victim", "SCHILY.xattr.trusted.overlay.opaque": "y"}}}},
		"",
		[]string{"d d 0755"},
	},
}
