package flatten

import (
	"path"
	"strings"

	"banger.dev/host/internal/oci/layers"
)

const (
	whiteout = ".wh."
	// opaque is the name of an entry that deletes what lower layers have in its folder.
	opaque = whiteout + whiteout + ".opq"
)

// Apply adds an entry of the current layer.
func (t *Tree) Apply(e *layers.Entry) error {
	if e.Name == "." {
		if e.Kind != layers.Folder {
			return bad("the top of the image is no folder")
		}
		t.Top.Inode = t.inodeOf(e)
		return nil
	}
	folder, base := path.Split(e.Name)
	if hidden, isWhiteout := strings.CutPrefix(base, whiteout); isWhiteout {
		return t.hide(folder, base, hidden)
	}
	way, err := t.reach(folder)
	if err != nil {
		return err
	}
	name, err := t.place(way.last(), base, e)
	if err != nil {
		return err
	}
	t.touch(way, name)
	return nil
}

// place puts an entry into a folder, in place of what has its name there.
func (t *Tree) place(in *Name, base string, e *layers.Entry) (*Name, error) {
	there := in.Children[base]
	if there != nil && there.Kind == layers.Folder && e.Kind == layers.Folder {
		there.Inode = t.inodeOf(e)
		return there, nil
	}
	name := &Name{}
	switch e.Kind {
	case layers.HardLink:
		inode, err := t.linked(e)
		if err != nil {
			return nil, err
		}
		name.Inode = inode
	case layers.Folder:
		name = newFolder(t.inodeOf(e))
	default:
		name.Inode = t.inodeOf(e)
	}
	// Deleting first keeps the name in the map, which may be part of a longer string, from being used again.
	delete(in.Children, base)
	in.Children[strings.Clone(base)] = name
	return name, nil
}

// linked returns the file that a hard link is one more name of. The file may be of a lower layer.
func (t *Tree) linked(e *layers.Entry) (*Inode, error) {
	folder, base := path.Split(e.Target)
	way, err := t.find(folder)
	if err != nil {
		return nil, err
	}
	if way == nil || way.last().Children[base] == nil {
		return nil, bad("%q is a hard link to %q, which does not exist", e.Name, e.Target)
	}
	target := way.last().Children[base]
	if target.Kind == layers.Folder {
		return nil, bad("%q is a hard link to the folder %q", e.Name, e.Target)
	}
	return target.Inode, nil
}

func (t *Tree) inodeOf(e *layers.Entry) *Inode {
	return &Inode{
		Kind: e.Kind, IsSparse: e.IsSparse, Attributes: e.Attributes, Target: strings.Clone(e.Target),
		SizeBytes: e.SizeBytes, Blocks: e.Blocks, Layer: t.layer, At: e.At,
	}
}

// hide applies a whiteout.
func (t *Tree) hide(folder, base, hidden string) error {
	if hidden == "" {
		return bad("%q deletes a file without a name", folder+base)
	}
	way, err := t.find(folder)
	if err != nil || way == nil {
		return err
	}
	if base != opaque {
		t.remove(way.last(), hidden)
		return nil
	}
	t.clear(way.last())
	return nil
}

// remove deletes what lower layers have at and below a name.
func (t *Tree) remove(in *Name, base string) {
	switch name := in.Children[base]; {
	case name == nil:
	case name.touched != t.layer:
		delete(in.Children, base)
	default:
		t.clear(name)
	}
}

// clear deletes what lower layers have below a folder. It does so once per layer: nothing of a lower layer
// comes back.
func (t *Tree) clear(folder *Name) {
	if folder.cleared == t.layer {
		return
	}
	folder.cleared = t.layer
	for child := range folder.Children {
		t.remove(folder, child)
	}
}
