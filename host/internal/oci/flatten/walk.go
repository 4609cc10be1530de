package flatten

import (
	"path"
	"strings"

	"banger.dev/host/internal/oci/fault"
	"banger.dev/host/internal/oci/layers"
)

// maxSymlinks bounds how many symlinks one path may lead through, as the kernel does; maxRestBytes bounds
// what their targets add to it.
const (
	maxSymlinks  = 40
	maxRestBytes = 16 << 10
)

// folders are those on the way to a folder, from the top to itself.
type folders []*Name

func (f folders) last() *Name { return f[len(f)-1] }

// find returns the way to a folder, or nil when there is none. Symlinks resolve inside the tree, as in a
// chroot.
func (t *Tree) find(folder string) (folders, error) { return t.walk(folder, false) }

// reach returns the way to a folder. It makes what is missing, and replaces a file that is in the way.
func (t *Tree) reach(folder string) (folders, error) { return t.walk(folder, true) }

func (t *Tree) walk(folder string, canMake bool) (folders, error) {
	way, links := folders{t.Top}, 0
	rest := folder
	for rest != "" {
		part, after, _ := strings.Cut(rest, "/")
		rest = after
		switch part {
		case "", ".":
			continue
		case "..":
			way = way[:max(len(way)-1, 1)]
			continue
		}
		in := way.last()
		next := in.Children[part]
		if next != nil && next.Kind == layers.Symlink {
			if links++; links > maxSymlinks {
				return nil, bad("%q leads through more than %d symlinks", folder, maxSymlinks)
			}
			if path.IsAbs(next.Target) {
				way = way[:1]
			}
			if rest = next.Target + "/" + rest; len(rest) > maxRestBytes {
				return nil, bad("%q leads through symlinks with targets that are too long", folder)
			}
			continue
		}
		if next == nil || next.Kind != layers.Folder {
			if !canMake {
				return nil, nil
			}
			if len(way) > maxDepth {
				return nil, bad("%q is more than %d folders deep", folder, maxDepth)
			}
			next = t.implied()
			in.Children[strings.Clone(part)] = next
		}
		way = append(way, next)
	}
	return way, nil
}

// maxDepth is how deep folders can be with paths that programs can use.
const maxDepth = 2048

// touch records that the current layer has an entry in a folder, at this name if there is one.
func (t *Tree) touch(way folders, name *Name) {
	for _, folder := range way {
		folder.touched = t.layer
	}
	if name != nil {
		name.touched = t.layer
	}
}

func bad(format string, args ...any) error {
	return fault.Final(fault.ArchiveBad, "Cannot read the image: "+format, args...)
}
