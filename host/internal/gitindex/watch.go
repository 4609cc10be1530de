package gitindex

import (
	"errors"
	"io/fs"
	"time"
)

// Files of a working tree, relative to its top.
const (
	IndexFile = ".git/index"
	// ExcludeFile has patterns that are not in the tree.
	ExcludeFile = ".git/info/exclude"
)

// BaseToken is the time in an index that stands for the making of its disk. The agent knows it
// (agent/internal/gitwatch).
const BaseToken = 0x62616e676572

// Found is what a disk has at a path.
type Found struct {
	// Mode has the type and the permissions.
	Mode uint32
	Size uint64
	// Seconds is when it was modified.
	Seconds int64
}

// Disk is the working tree on the disk. Paths are relative to its top, which is ".".
type Disk interface {
	// Look returns what is at a path; fs.ErrNotExist when there is nothing.
	Look(path string) (Found, error)
	// Names returns the names in a folder, each with the type in its mode; nil when there is no folder.
	Names(folder string) map[string]uint32
	// Content returns a small file; nil when there is none.
	Content(path string) []byte
}

// Watch returns an index file with the extensions that spare git the look at a disk, for the index and the
// disk that it was written to at the time written. place is the path of the working tree, as git on that disk
// calls it. An index of another kind is returned as it is.
func Watch(content []byte, disk Disk, place string, written time.Time) ([]byte, error) {
	parsed, err := parse(content)
	if errors.Is(err, errOther) {
		return content, nil
	}
	if err != nil {
		return nil, err
	}
	unchanged, err := parsed.unchanged(disk, written)
	if err != nil {
		return nil, err
	}
	untracked := parsed.untracked(disk, place, unchanged)
	var kept []extension
	for _, each := range parsed.extensions {
		switch each.name {
		case untrackedExtension, monitorExtension, endExtension:
		default:
			kept = append(kept, each)
		}
	}
	kept = append(kept, extension{untrackedExtension, untracked}, extension{monitorExtension, monitor(unchanged)})
	return parsed.write(kept), nil
}

// unchanged says of each entry whether its file is as the index says.
func (x *index) unchanged(disk Disk, written time.Time) ([]bool, error) {
	unchanged := make([]bool, len(x.entries))
	for at, e := range x.entries {
		found, err := disk.Look(e.path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		unchanged[at] = e.isAs(found, written)
	}
	return unchanged, nil
}

// isAs reports whether git in a guest takes a file for unchanged without reading it. It reads one that is as
// new as the index.
func (e *entry) isAs(found Found, written time.Time) bool {
	if e.flags&(flagAssumeValid|flagExtended|flagStages) != 0 || e.mode&modeType != found.Mode&modeType {
		return false
	}
	if e.mode&modeType == modeFile && (e.mode^found.Mode)&modeRun != 0 {
		return false
	}
	if e.mode&modeType != modeFile && e.mode&modeType != modeSymlink {
		return false
	}
	return e.size == uint32(found.Size) && e.seconds == uint32(found.Seconds) && found.Seconds < written.Unix()
}

const monitorExtension = "FSMN"

// monitor is version 1 of the extension, which every git that knows it can read.
func monitor(unchanged []bool) []byte {
	var changed bitmap
	for at, is := range unchanged {
		if !is {
			changed.set(at)
		}
	}
	bits := changed.append(nil)
	out := be.AppendUint32(nil, 1)
	out = be.AppendUint64(out, BaseToken)
	out = be.AppendUint32(out, uint32(len(bits)))
	return append(out, bits...)
}
