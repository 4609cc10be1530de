// Package pack makes layers of ext4 file systems: of a whole one, or of what one has that its base has not.
// A file system may be that of a hostile guest, so all that is read of it is bounded.
package pack

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"banger.dev/host/internal/ext4"
	"banger.dev/host/internal/oci/fault"
)

// Limits bound what a file system may have.
type Limits struct {
	MaxEntries int64
	MaxBytes   int64
}

const (
	maxDepth = 1000
	// maxFolderBytes bounds all folders together.
	maxFolderBytes = 4 << 30
	lostAndFound   = "lost+found"
)

// file is a name in a tree.
type file struct {
	name string
	node ext4.Node
	// text is the content in place of the node's, when hasText is set.
	text    []byte
	hasText bool
	// isOfBase: the file was taken from the base.
	isOfBase bool
	// children are sorted by name.
	children []*file
}

func (f *file) kind() ext4.Kind { return f.node.Kind() }

func (f *file) size() int64 {
	if f.hasText {
		return int64(len(f.text))
	}
	return f.node.Size()
}

func (f *file) child(name string) (*file, int) {
	at, isThere := slices.BinarySearchFunc(f.children, name, func(child *file, name string) int {
		return strings.Compare(child.name, name)
	})
	if !isThere {
		return nil, at
	}
	return f.children[at], at
}

// find returns the file at a path, or nil. It follows no symlink.
func (f *file) find(path string) *file {
	at := f
	for part := range strings.SplitSeq(strings.Trim(path, "/"), "/") {
		if at == nil || at.kind() != ext4.KindFolder {
			return nil
		}
		at, _ = at.child(part)
	}
	return at
}

// set puts a file at a path whose folder exists, or removes what is there when it is nil.
func (f *file) set(path string, to *file) {
	dir, name := f, path
	if at := strings.LastIndexByte(path, '/'); at >= 0 {
		dir, name = f.find(path[:at]), path[at+1:]
	}
	if dir == nil || dir.kind() != ext4.KindFolder {
		return
	}
	there, at := dir.child(name)
	switch {
	case to == nil && there != nil:
		dir.children = slices.Delete(dir.children, at, at+1)
	case to != nil && there != nil:
		dir.children[at] = to
	case to != nil:
		dir.children = slices.Insert(dir.children, at, to)
	}
}

// scanner reads the names of an image.
type scanner struct {
	ctx         context.Context
	limits      Limits
	entries     int64
	bytes       int64
	folderBytes int64
	folders     map[uint32]bool
	files       map[uint32]bool
}

// scan returns the tree of an image, and how many bytes its files have.
func scan(ctx context.Context, image *ext4.Image, limits Limits) (*file, int64, error) {
	root, err := image.Root()
	if err != nil {
		return nil, 0, damaged(err)
	}
	if root.Kind() != ext4.KindFolder {
		return nil, 0, damaged(fmt.Errorf("its top is no folder"))
	}
	s := &scanner{ctx: ctx, limits: limits, folders: map[uint32]bool{}, files: map[uint32]bool{}}
	top := &file{node: root}
	if err := s.fill(top, 0); err != nil {
		return nil, 0, err
	}
	top.set(lostAndFound, nil)
	return top, s.bytes, nil
}

func (s *scanner) fill(folder *file, depth int) error {
	if err := s.ctx.Err(); err != nil {
		return err
	}
	if s.folders[folder.node.Number] || depth > maxDepth {
		return damaged(fmt.Errorf("its folders have no end"))
	}
	s.folders[folder.node.Number] = true
	if s.folderBytes += folder.node.Size(); s.folderBytes > maxFolderBytes {
		return tooLarge("its folders have more than %d bytes", int64(maxFolderBytes))
	}
	children, err := folder.node.Children()
	if err != nil {
		return damaged(err)
	}
	if s.entries += int64(len(children)); s.entries > s.limits.MaxEntries {
		return tooLarge("it has more than %d files", s.limits.MaxEntries)
	}
	for _, child := range children {
		if child.Name == "" || child.Name == "." || child.Name == ".." || strings.ContainsAny(child.Name, "/\x00") {
			return damaged(fmt.Errorf("%q is no name of a file", child.Name))
		}
		if last := len(folder.children) - 1; last >= 0 && folder.children[last].name == child.Name {
			return damaged(fmt.Errorf("%q is there twice", child.Name))
		}
		added := &file{name: child.Name, node: child.Node}
		folder.children = append(folder.children, added)
		switch child.Node.Kind() {
		case ext4.KindFolder:
			if err := s.fill(added, depth+1); err != nil {
				return err
			}
		case ext4.KindFile:
			if err := s.count(child.Node); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *scanner) count(node ext4.Node) error {
	if s.files[node.Number] {
		return nil
	}
	s.files[node.Number] = true
	if size := node.Size(); size < 0 || size > s.limits.MaxBytes-s.bytes {
		return tooLarge("its files have more than %d bytes", s.limits.MaxBytes)
	}
	s.bytes += node.Size()
	return nil
}

func damaged(err error) error {
	if known, isKnown := fault.Of(err); isKnown {
		return known
	}
	return fault.Final(fault.Damaged, "Cannot read the file system: %v", err)
}

func tooLarge(format string, args ...any) error {
	return fault.Final(fault.TooLarge, "Cannot make a layer of the file system: "+format, args...)
}
