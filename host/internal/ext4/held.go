package ext4

import (
	"archive/tar"
	"bytes"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
)

// maxHeldBytes bounds the memory for a held file. A larger one is written as it arrives.
const maxHeldBytes = 256 << 20

// Held is a file whose content is in memory until Close.
type Held struct {
	Attributes
	// Content may be replaced.
	Content []byte
	number  uint32
	links   uint32
}

// Hold has AddTar keep files in memory, because they depend on the other files. Close writes them.
func (w *Writer) Hold(names ...string) {
	for _, name := range names {
		w.held[name] = nil
	}
}

// Held returns a file that Hold named; nil when the tar stream had no such file.
func (w *Writer) Held(name string) *Held { return w.held[name] }

// hold keeps a file of the tar stream, and reports whether it was to be held.
func (w *Writer) hold(name string, attributes Attributes, header *tar.Header, content io.Reader) (bool, error) {
	if _, isHeld := w.held[name]; !isHeld || header.Size > maxHeldBytes {
		return false, nil
	}
	number, err := w.named(name, KindFile)
	if err != nil {
		return true, err
	}
	whole := make([]byte, header.Size)
	if _, err := io.ReadFull(content, whole); err != nil {
		return true, err
	}
	w.held[name] = &Held{attributes, whole, number, 1}
	return true, nil
}

// Children are the names in a folder, and the type that the mode of each has. It returns nil when there is no
// such folder.
func (w *Writer) Children(name string) map[string]uint16 {
	there, isThere := w.find(name)
	if !isThere || there.folder == nil {
		return nil
	}
	children := make(map[string]uint16, len(there.children))
	for base, child := range there.children {
		children[base] = child.kind
	}
	return children
}

// Stat is what an inode says of a file.
type Stat struct {
	// Mode has the type and the permissions.
	Mode    uint16
	Size    uint64
	Seconds int64
}

// Stat returns what was written of a file; isThere is false for a folder, a held file, and nothing.
func (w *Writer) Stat(name string) (stat Stat, isThere bool, err error) {
	there, isThere := w.find(name)
	if !isThere || there.folder != nil || w.heldAs(there.number) != nil {
		return Stat{}, false, nil
	}
	encoded, err := w.inodes.get(there.number)
	if err != nil {
		return Stat{}, false, fmt.Errorf("read the inode of %q: %w", name, err)
	}
	epoch := int64(le.Uint32(encoded[0x88:]) & 3)
	return Stat{
		Mode:    le.Uint16(encoded),
		Size:    uint64(le.Uint32(encoded[0x04:])) | uint64(le.Uint32(encoded[0x6C:]))<<32,
		Seconds: int64(int32(le.Uint32(encoded[0x10:]))) + epoch<<32,
	}, true, nil
}

// find returns what has a name.
func (w *Writer) find(name string) (node, bool) {
	there := w.root
	if name == "." {
		return there, true
	}
	for part := range strings.SplitSeq(name, "/") {
		if there.folder == nil {
			return node{}, false
		}
		next, isThere := there.children[part]
		if !isThere {
			return node{}, false
		}
		there = next
	}
	return there, true
}

// heldAs returns the held file that has an inode; nil when there is none.
func (w *Writer) heldAs(number uint32) *Held {
	for _, held := range w.held {
		if held != nil && held.number == number {
			return held
		}
	}
	return nil
}

// putHeld writes the held files.
func (w *Writer) putHeld() error {
	var all []*Held
	for _, held := range w.held {
		if held != nil {
			all = append(all, held)
		}
	}
	slices.SortFunc(all, func(a, b *Held) int { return cmp.Compare(a.number, b.number) })
	for _, held := range all {
		content := Content{held.Attributes, held.links}
		if err := w.PutFile(held.number, content, int64(len(held.Content)), bytes.NewReader(held.Content)); err != nil {
			return err
		}
	}
	return nil
}
