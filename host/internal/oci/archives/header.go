package archives

import (
	"archive/tar"
	"errors"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const xattrRecord = "SCHILY.xattr."

// headerOf returns the header for a file, or nil for one that is left out.
func (p *packer) headerOf(path, name string, stat *unix.Stat_t) (*tar.Header, error) {
	h := &tar.Header{
		Name: name, Mode: int64(stat.Mode & 0o7777), Format: tar.FormatPAX,
		Uid: mapped(stat.Uid, p.uid), Gid: mapped(stat.Gid, p.gid), ModTime: time.Unix(stat.Mtim.Sec, stat.Mtim.Nsec),
	}
	isFolder := stat.Mode&unix.S_IFMT == unix.S_IFDIR
	if id := (fileID{stat.Dev, stat.Ino}); stat.Nlink > 1 && !isFolder {
		if first, isKnown := p.first[id]; isKnown {
			h.Typeflag, h.Linkname = tar.TypeLink, first
			return h, nil
		}
		p.first[id] = name
	}
	var err error
	switch stat.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		h.Typeflag, h.Size = tar.TypeReg, stat.Size
	case unix.S_IFDIR:
		h.Typeflag, h.Name = tar.TypeDir, name+"/"
	case unix.S_IFLNK:
		h.Typeflag = tar.TypeSymlink
		h.Linkname, err = os.Readlink(path)
	case unix.S_IFIFO:
		h.Typeflag = tar.TypeFifo
	case unix.S_IFCHR, unix.S_IFBLK:
		// The root file system leaves it out, and says so.
		h.Typeflag = tar.TypeChar
	default:
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	h.PAXRecords, err = xattrsOf(path)
	return h, err
}

// mapped returns 0 for the user's own number, unless the user is root.
func mapped(id uint32, own int) int {
	if int(id) == own {
		return 0
	}
	return int(id)
}

// xattrsOf returns the extended attributes of a file as records of a tar header. Those that the user may not
// read are left out.
func xattrsOf(path string) (map[string]string, error) {
	size, err := unix.Llistxattr(path, nil)
	if size <= 0 || err != nil {
		return nil, ignoreUnsupported(path, err)
	}
	list := make([]byte, size)
	if size, err = unix.Llistxattr(path, list); err != nil {
		return nil, ignoreUnsupported(path, err)
	}
	records := map[string]string{}
	for name := range strings.SplitSeq(strings.TrimRight(string(list[:size]), "\x00"), "\x00") {
		value := make([]byte, maxXattrBytes)
		n, err := unix.Lgetxattr(path, name, value)
		if errors.Is(err, unix.ENODATA) || errors.Is(err, unix.EPERM) {
			continue
		}
		if err := ignoreUnsupported(path, err); err != nil {
			return nil, err
		}
		records[xattrRecord+name] = string(value[:max(n, 0)])
	}
	return records, nil
}

// maxXattrBytes is the largest value that the kernel has.
const maxXattrBytes = 64 << 10

func ignoreUnsupported(path string, err error) error {
	if err == nil || errors.Is(err, unix.ENOTSUP) {
		return nil
	}
	return &os.PathError{Op: "read extended attributes of", Path: path, Err: err}
}
