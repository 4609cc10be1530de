package gitindex

import (
	"fmt"
	"path"
	"strings"
)

const (
	untrackedExtension = "UNTR"
	// statusFlags are those of the search that git status makes by default: it names folders that are not
	// tracked in place of the files in them, and no empty ones.
	statusFlags = 1<<1 | 1<<2
	// oneStat is the size of the numbers that an index remembers of a file.
	oneStat    = 36
	ignoreFile = ".gitignore"
	gitFolder  = ".git"
)

// folder is a folder with tracked files.
type folder struct {
	// files are the indices of its entries, by their names.
	files   map[string]int
	folders map[string]*folder
	// order has the names of folders as the index has them.
	order []string
}

func newFolder() *folder { return &folder{files: map[string]int{}, folders: map[string]*folder{}} }

func (x *index) tree() *folder {
	top := newFolder()
	for at, e := range x.entries {
		in := top
		parts := strings.Split(e.path, "/")
		for _, part := range parts[:len(parts)-1] {
			next := in.folders[part]
			if next == nil {
				next = newFolder()
				in.folders[part] = next
				in.order = append(in.order, part)
			}
			in = next
		}
		in.files[parts[len(parts)-1]] = at
	}
	return top
}

// blocks collects what the extension has about each folder.
type blocks struct {
	*index
	disk      Disk
	unchanged []bool
	count     int
	names     []byte
	valid     bitmap
	checkOnly bitmap
	ignoring  bitmap
	stats     []byte
	objects   []byte
}

// untracked is the extension that says that no folder has untracked files, except for those that have some.
func (x *index) untracked(disk Disk, place string, unchanged []bool) []byte {
	b := &blocks{index: x, disk: disk, unchanged: unchanged}
	b.add(x.tree(), ".", "")
	exclude := x.patternsName(disk.Content(ExcludeFile))
	system := fmt.Sprintf("Location %s, system Linux\x00", place)
	out := appendVarint(nil, uint64(len(system)))
	out = append(out, system...)
	// Of files with patterns outside of the tree, only the contents count.
	out = append(out, make([]byte, 2*oneStat)...)
	out = be.AppendUint32(out, statusFlags)
	out = append(out, exclude...)
	out = append(out, make([]byte, x.newHash().Size())...)
	out = append(out, ignoreFile+"\x00"...)
	out = appendVarint(out, uint64(b.count))
	out = append(out, b.names...)
	out = b.valid.append(out)
	out = b.checkOnly.append(out)
	out = b.ignoring.append(out)
	out = append(out, b.stats...)
	out = append(out, b.objects...)
	return append(out, 0)
}

// add adds a folder, and those in it, depth first.
func (b *blocks) add(of *folder, at, name string) {
	number := b.count
	b.count++
	b.names = appendVarint(b.names, 0)
	b.names = appendVarint(b.names, uint64(len(of.order)))
	b.names = append(b.names, name...)
	b.names = append(b.names, 0)
	isKnown := b.isKnown(of, at)
	if isKnown {
		b.valid.set(number)
		// Git compares them only when no program tells it what has changed.
		b.stats = append(b.stats, make([]byte, oneStat)...)
	}
	if entry, isThere := of.files[ignoreFile]; isThere && isKnown {
		b.ignoring.set(number)
		b.objects = append(b.objects, b.entries[entry].object...)
	}
	for _, each := range of.order {
		b.add(of.folders[each], path.Join(at, each), each)
	}
}

// isKnown reports whether a folder on the disk has nothing but tracked files, and the patterns of its own
// that the index has.
func (b *blocks) isKnown(of *folder, at string) bool {
	names := b.disk.Names(at)
	if names == nil {
		return false
	}
	for name, kind := range names {
		if at == "." && name == gitFolder {
			continue
		}
		entry, isTracked := of.files[name]
		isRepository := isTracked && b.entries[entry].mode&modeType == modeGitlink
		switch {
		case kind != modeFolder && (!isTracked || isRepository):
			return false
		case kind == modeFolder && !isRepository && (isTracked || of.folders[name] == nil):
			return false
		}
	}
	patterns, isThere := of.files[ignoreFile]
	return !isThere || (b.unchanged[patterns] && b.entries[patterns].mode&modeType == modeFile)
}

const modeFolder = 0o040000

// patternsName returns the name that git gives patterns outside of the index, which it hashes with one more
// end of line; zeros when there are none.
func (x *index) patternsName(content []byte) []byte {
	if content == nil {
		return make([]byte, x.newHash().Size())
	}
	sum := x.newHash()
	if len(content) == 0 {
		sum.Write([]byte("blob 0\x00"))
		return sum.Sum(nil)
	}
	fmt.Fprintf(sum, "blob %d\x00%s\n", len(content)+1, content)
	return sum.Sum(nil)
}
