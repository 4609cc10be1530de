// Package rootfs writes the files of an image to an ext4 file system: one pass over the layers finds out
// which files there are, a second one copies their contents. Memory holds the tree, never a content.
package rootfs

import (
	"path"
	"slices"

	"banger.dev/host/internal/ext4"
	"banger.dev/host/internal/oci/fault"
	"banger.dev/host/internal/oci/flatten"
	"banger.dev/host/internal/oci/layers"
)

// maxLeftOut bounds how many left out files are reported by name.
const maxLeftOut = 100

// plan is what a file system will have.
type plan struct {
	need    ext4.Need
	entries int
	// unpackedBytes are those of all files, each counted once.
	unpackedBytes int64
	leftOut       []string
}

func (p *plan) leaveOut(what string) {
	if len(p.leftOut) < maxLeftOut {
		p.leftOut = append(p.leftOut, what)
	}
}

// add counts a folder and everything in it, and removes what the file system will not have.
func (p *plan) add(folder *flatten.Name, at string) error {
	names := make([]string, 0, len(folder.Children))
	for base := range folder.Children {
		names = append(names, base)
	}
	slices.Sort(names)
	names = slices.DeleteFunc(names, func(base string) bool {
		if folder.Children[base].Kind != layers.Device {
			return false
		}
		p.leaveOut(path.Join(at, base) + ": a device node")
		delete(folder.Children, base)
		return true
	})
	if err := explained(p.need.AddFolder(names, &folder.Attributes), at); err != nil {
		return err
	}
	for _, base := range names {
		p.entries++
		child, name := folder.Children[base], path.Join(at, base)
		if child.Kind == layers.Folder {
			if err := p.add(child, name); err != nil {
				return err
			}
			continue
		}
		if child.Inode = withRoom(child.Inode); child.Links > 1 {
			continue
		}
		if err := explained(p.addFile(child.Inode), name); err != nil {
			return err
		}
	}
	return nil
}

// withRoom counts one more name of a file. It returns another copy of the file when one cannot have more.
func withRoom(inode *flatten.Inode) *flatten.Inode {
	for inode.Links == ext4.MaxLinks {
		if inode.More == nil {
			another := *inode
			another.Links = 0
			inode.More = &another
		}
		inode = inode.More
	}
	inode.Links++
	return inode
}

func (p *plan) addFile(inode *flatten.Inode) error {
	if inode.Kind != layers.File {
		return p.need.AddSymlink(inode.Target, &inode.Attributes)
	}
	p.unpackedBytes += inode.SizeBytes
	return p.need.AddFile(inode.Blocks, &inode.Attributes, inode.IsSparse)
}

// explained says which file an error of the file system is about.
func explained(err error, name string) error {
	if err == nil {
		return nil
	}
	return fault.Final(fault.ArchiveBad, "Cannot unpack the image: %q: %v", name, err)
}
