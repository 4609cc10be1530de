package layers

import (
	"archive/tar"
	"path"
	"slices"
	"strings"

	"banger.dev/host/internal/ext4"
	"banger.dev/host/internal/oci/fault"
)

// Kind is what an entry of a layer is.
type Kind uint8

// Kinds of entries.
const (
	File Kind = iota + 1
	Folder
	Symlink
	Fifo
	Device
	HardLink
)

// Entry is an entry of a layer without its content.
type Entry struct {
	// Name is the path from the top, without "." and ".."; "." for the top itself.
	Name string
	Kind Kind
	// Target is that of a symlink as it is, or the path of the file that a hard link is a name of.
	Target     string
	Attributes ext4.Attributes
	SizeBytes  int64
	// Blocks are those that the content takes in an ext4 file system.
	Blocks   uint64
	IsSparse bool
	// At is the place among the entries of the layer.
	At int32
}

const (
	xattrRecord  = "SCHILY.xattr."
	sparseRecord = "GNU.sparse."
	maxPathBytes = 4095
	maxNameBytes = 255
)

// entryOf returns what a header says, or nil for one that is no file.
func entryOf(h *tar.Header) (*Entry, []string, error) {
	name, err := cleanPath(h.Name)
	if err != nil {
		return nil, nil, err
	}
	e := &Entry{Name: name, SizeBytes: h.Size}
	switch h.Typeflag {
	case tar.TypeReg, tar.TypeCont, tar.TypeGNUSparse, '\x00':
		e.Kind, e.IsSparse = File, isSparse(h)
	case tar.TypeDir:
		e.Kind = Folder
	case tar.TypeSymlink:
		e.Kind, e.Target = Symlink, h.Linkname
	case tar.TypeLink:
		e.Kind = HardLink
		if e.Target, err = cleanPath(h.Linkname); err != nil {
			return nil, nil, err
		}
	case tar.TypeFifo:
		e.Kind = Fifo
	case tar.TypeChar, tar.TypeBlock:
		e.Kind = Device
	case tar.TypeXGlobalHeader:
		return nil, nil, nil
	default:
		return nil, nil, bad("%q has the type %q, which is not known", h.Name, h.Typeflag)
	}
	if e.Kind != File {
		e.SizeBytes = 0
	}
	if e.Kind == Symlink && (e.Target == "" || len(e.Target) > maxPathBytes || strings.Contains(e.Target, "\x00")) {
		return nil, nil, bad("the target of %q has %d bytes: a symlink has 1 to %d", h.Name, len(e.Target), maxPathBytes)
	}
	leftOut, err := e.setAttributes(h)
	return e, leftOut, err
}

func isSparse(h *tar.Header) bool {
	if h.Typeflag == tar.TypeGNUSparse {
		return true
	}
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, sparseRecord) {
			return true
		}
	}
	return false
}

// cleanPath returns a path from the top of the image. It refuses those that lead out of it.
func cleanPath(name string) (string, error) {
	cleaned := path.Clean(strings.TrimLeft(name, "/"))
	if name == "" || cleaned == ".." || strings.HasPrefix(cleaned, "../") {
		return "", bad("%q is not a path inside of the image", name)
	}
	if len(cleaned) > maxPathBytes || strings.Contains(cleaned, "\x00") {
		return "", bad("a path has %d bytes: it has 1 to %d, none of them 0", len(name), maxPathBytes)
	}
	for part := range strings.SplitSeq(cleaned, "/") {
		if len(part) > maxNameBytes {
			return "", bad("the name %q has %d bytes, of %d at most", part[:40]+"…", len(part), maxNameBytes)
		}
	}
	return cleaned, nil
}

// unkept are attributes that belong to the host on which an image was made.
var unkept = []string{"security.selinux", "system.nfs4_acl"}

// setAttributes sets all that a header says of a file. It returns what cannot be kept.
func (e *Entry) setAttributes(h *tar.Header) (leftOut []string, err error) {
	if h.Uid < 0 || h.Gid < 0 || int64(h.Uid) >= 1<<32-1 || int64(h.Gid) >= 1<<32-1 {
		return nil, bad("%q belongs to %d:%d, which are not numbers of 32 bits", h.Name, h.Uid, h.Gid)
	}
	e.Attributes = ext4.Attributes{Mode: uint16(h.Mode) & 0o7777, Uid: uint32(h.Uid), Gid: uint32(h.Gid), Modified: h.ModTime}
	for key, value := range h.PAXRecords {
		name, found := strings.CutPrefix(key, xattrRecord)
		if !found || slices.Contains(unkept, name) {
			continue
		}
		xattr, err := ext4.NewXattr(name, []byte(value))
		if err != nil {
			leftOut = append(leftOut, e.Name+": "+err.Error())
			continue
		}
		e.Attributes.Xattrs = append(e.Attributes.Xattrs, xattr)
	}
	slices.Sort(leftOut)
	return leftOut, nil
}

func bad(format string, args ...any) error {
	return fault.Final(fault.ArchiveBad, "Cannot read the image: "+format, args...)
}
