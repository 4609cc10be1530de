// Package flatten finds out which files an image has, from the entries of its layers. It keeps the tree
// without the contents of files, and touches no file of the host: a path through a symlink resolves inside
// the tree.
//
// The result is what an unpacking program makes that runs as root: entries apply in their order, a later one
// replaces an earlier one of its name, and whiteouts delete what lower layers have, wherever they are in
// their own layer.
package flatten

import (
	"time"

	"banger.dev/host/internal/ext4"
	"banger.dev/host/internal/oci/layers"
)

// Inode is a file of the image.
type Inode struct {
	Kind       layers.Kind
	IsSparse   bool
	Attributes ext4.Attributes
	// Target is that of a symlink.
	Target    string
	SizeBytes int64
	Blocks    uint64
	// Layer and At say which entry has the content.
	Layer, At int32
	// Links, Number and More are for the writer of the file system: how many names the file has, its inode
	// there, and a copy of the file for the names that are too many for one inode.
	Links, Number uint32
	More          *Inode
}

// Name is a name in the tree.
type Name struct {
	*Inode
	// Children is nil for everything but folders.
	Children map[string]*Name
	// touched is the newest layer that has an entry at or below this name.
	touched int32
	// cleared is the newest layer that deleted everything of lower layers below this folder.
	cleared int32
}

// Tree is the files of an image.
type Tree struct {
	Top *Name
	// made is the time of folders without an entry.
	made  time.Time
	layer int32
}

// New returns a tree with nothing but its top. Folders without an entry get the time; the top, which many
// images have no entry for, gets none.
func New(made time.Time) *Tree {
	t := &Tree{made: made}
	t.Top = t.implied()
	t.Top.Attributes.Modified = time.Unix(0, 0)
	return t
}

// BeginLayer says that what is applied from now on is of the next layer. The first one has the number 1.
func (t *Tree) BeginLayer() int32 {
	t.layer++
	return t.layer
}

// implied returns a folder without an entry.
func (t *Tree) implied() *Name {
	attributes := ext4.Attributes{Mode: 0o755, Modified: t.made}
	return newFolder(&Inode{Kind: layers.Folder, Attributes: attributes})
}

func newFolder(inode *Inode) *Name { return &Name{Inode: inode, Children: map[string]*Name{}} }
