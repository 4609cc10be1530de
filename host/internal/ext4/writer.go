package ext4

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
)

// ErrFull is the error for content that does not fit in the file system.
var ErrFull = errors.New("the content does not fit in the file system")

// EntryError is the error for an entry that the file system cannot have.
type EntryError struct{ Message string }

func (e *EntryError) Error() string { return e.Message }

func refuse(format string, args ...any) error { return &EntryError{fmt.Sprintf(format, args...)} }

// Options are those of a file system.
type Options struct {
	// Size of the image in bytes.
	Size int64
	UUID [16]byte
	// Made is the time of everything that has none of its own.
	Made time.Time
	// MaxEntries bounds the memory: names of the whole tree are kept until the end.
	MaxEntries int
	// Label is the volume label, of at most 16 bytes.
	Label string
	// MaxJournalBytes bounds the journal below the size that mke2fs chooses; 0 for no bound.
	MaxJournalBytes int64
}

// Writer fills an empty file with a file system. A failure leaves an image that must not be used.
type Writer struct {
	Options
	layout  layout
	blocks  *allocator
	inodes  *table
	out     *output
	seed    uint32
	root    node
	journal inode
	entries int
	// held are files by their names; nil as long as the tar stream had none.
	held map[string]*Held
}

// NewWriter begins a file system in an empty file.
func NewWriter(file *os.File, options Options) (*Writer, error) {
	l, err := planLayout(options.Size, options.MaxJournalBytes)
	if err != nil {
		return nil, err
	}
	if err := file.Truncate(options.Size); err != nil {
		return nil, err
	}
	w := &Writer{
		Options: options,
		layout:  l,
		blocks:  newAllocator(l),
		inodes:  newTable(l, file),
		out:     newOutput(file),
		seed:    crc32c(^uint32(0), options.UUID[:]),
		root:    newFolder(inodeRoot, Attributes{Mode: 0o755, Modified: options.Made}),
		held:    map[string]*Held{},
	}
	w.inodes.folders[0] = 1
	return w, w.writeJournal()
}

// Folder makes a folder, or sets the attributes of the one that is there.
func (w *Writer) Folder(name string, attributes Attributes) error {
	if name == "." {
		w.root.attributes = attributes
		return nil
	}
	parent, base, err := w.parent(name)
	if err != nil {
		return err
	}
	if there := parent.children[base]; there.kind == typeFolder {
		there.attributes = attributes
		return nil
	}
	_, err = w.add(parent, base, typeFolder, attributes)
	return err
}

// File makes a file of size bytes, which it reads.
func (w *Writer) File(name string, attributes Attributes, size int64, content io.Reader) error {
	number, err := w.named(name, KindFile)
	if err != nil {
		return err
	}
	return w.PutFile(number, Content{attributes, 1}, size, content)
}

// Symlink makes a symbolic link.
func (w *Writer) Symlink(name string, attributes Attributes, target string) error {
	if err := checkTarget(name, target); err != nil {
		return err
	}
	number, err := w.named(name, KindSymlink)
	if err != nil {
		return err
	}
	return w.PutSymlink(number, Content{attributes, 1}, target)
}

// Fifo makes a named pipe.
func (w *Writer) Fifo(name string, attributes Attributes) error {
	number, err := w.named(name, KindFifo)
	if err != nil {
		return err
	}
	return w.PutFifo(number, Content{attributes, 1})
}

// named gives a new inode a path.
func (w *Writer) named(name string, kind Kind) (uint32, error) {
	parent, base, err := w.parent(name)
	if err != nil {
		return 0, err
	}
	made, err := w.add(parent, base, uint16(kind), Attributes{})
	return made.number, err
}

// Link gives a file another name.
func (w *Writer) Link(name, target string) error {
	folder, base, err := w.parent(target)
	if err != nil {
		return err
	}
	there := folder.children[base]
	if there.kind == 0 || there.kind == typeFolder {
		return refuse("%q cannot be a hard link to %q: there is no such file", name, target)
	}
	parent, newBase, err := w.parent(name)
	if err != nil {
		return err
	}
	if err := w.name(parent, newBase, node{number: there.number, kind: there.kind}); err != nil {
		return err
	}
	if held := w.heldAs(there.number); held != nil {
		held.links++
		return nil
	}
	return w.inodes.addLink(there.number, w.seed)
}

// parent returns the folder that a name is in. It makes missing ones, as an unpacking program does.
func (w *Writer) parent(name string) (node, string, error) {
	folder := w.root
	parts := strings.Split(name, "/")
	for _, part := range parts[:len(parts)-1] {
		next := folder.children[part]
		if next.kind == 0 {
			var err error
			if next, err = w.add(folder, part, typeFolder, Attributes{Mode: 0o755, Modified: w.Made}); err != nil {
				return node{}, "", err
			}
		}
		if next.kind != typeFolder {
			return node{}, "", refuse("%q is in a file", name)
		}
		folder = next
	}
	return folder, parts[len(parts)-1], nil
}

func newFolder(number uint32, attributes Attributes) node {
	return node{number, typeFolder, &folder{map[string]node{}, attributes}}
}

// add gives a new inode a name. The attributes are those of a folder.
func (w *Writer) add(parent node, base string, kind uint16, attributes Attributes) (node, error) {
	number, err := w.inodes.number(kind)
	if err != nil {
		return node{}, err
	}
	made := node{number: number, kind: kind}
	if kind == typeFolder {
		made = newFolder(number, attributes)
	}
	return made, w.name(parent, base, made)
}

func (w *Writer) name(parent node, base string, child node) error {
	if base == "" || base == "." || base == ".." || len(base) > 255 || strings.Contains(base, "\x00") {
		return refuse("%q is not a name of 1 to 255 bytes", base)
	}
	if parent.children[base].kind != 0 {
		return refuse("%q is there twice", base)
	}
	if w.entries++; w.entries > w.MaxEntries {
		return refuse("there are more than %d entries", w.MaxEntries)
	}
	parent.children[base] = child
	return nil
}

func (w *Writer) put(n *inode) error { return w.inodes.put(n.number, n.encode(w.seed, w.Made)) }

func (w *Writer) finish(n *inode, runs []run) error {
	if err := n.setExtents(w.seed, runs, w.blocks.take, w.out.writeBlock); err != nil {
		return err
	}
	return w.put(n)
}

// Close writes all that remains. The file system is complete after it.
func (w *Writer) Close() error {
	if err := w.putHeld(); err != nil {
		return err
	}
	if err := w.writeFolder(w.root, inodeRoot); err != nil {
		return err
	}
	if err := w.inodes.out.flush(); err != nil {
		return err
	}
	if err := w.writeGroups(); err != nil {
		return err
	}
	return w.out.flush()
}

// writeFolder writes a folder and all folders in it.
func (w *Writer) writeFolder(folder node, parent uint32) error {
	content := folderBlocks(w.seed, folder, parent)
	n := &inode{Attributes: folder.attributes, number: folder.number, kind: typeFolder, links: 2, size: uint64(len(content))}
	if err := n.setXattrs(w.seed, w.blocks.take, w.out.writeBlock); err != nil {
		return err
	}
	runs, err := w.blocks.take(uint64(len(content)) / blockBytes)
	if err != nil {
		return err
	}
	for _, r := range runs {
		length := r.blocks * blockBytes
		if err := w.out.writeBlock(r.start, content[:length]); err != nil {
			return err
		}
		content = content[length:]
	}
	var folders []node
	for _, child := range folder.children {
		if child.kind == typeFolder {
			folders = append(folders, child)
		}
	}
	n.links += uint32(len(folders))
	if err := w.finish(n, runs); err != nil {
		return err
	}
	slices.SortFunc(folders, func(a, b node) int { return int(a.number) - int(b.number) })
	for _, child := range folders {
		if err := w.writeFolder(child, folder.number); err != nil {
			return err
		}
	}
	return nil
}

// Summary is what a file system has in it.
type Summary struct {
	Entries int `json:"entries"`
	// UsedBytes are those of all blocks that are in use.
	UsedBytes uint64 `json:"usedBytes"`
}

// Summary returns what the file system has in it.
func (w *Writer) Summary() Summary {
	return Summary{Entries: w.entries, UsedBytes: w.blocks.next * blockBytes}
}
