package workdisk

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// treeCopy copies a folder's content with owners, modes, times, symbolic and hard links, extended attributes
// and device nodes.
type treeCopy struct {
	// firstName maps each file with several hard links to the first copy of it.
	firstName map[inode]string
	// owner changes places with root, unless it is zero.
	owner Owner
}

type inode struct{ dev, number uint64 }

// copyTree copies the content and the properties of the folder src to the existing folder dst. Sockets are
// left out.
func copyTree(src, dst string) error {
	c := treeCopy{firstName: map[inode]string{}}
	return c.fillDir(src, dst)
}

func (c treeCopy) fillDir(src, dst string) error {
	var stat unix.Stat_t
	if err := unix.Lstat(src, &stat); err != nil {
		return &os.PathError{Op: "lstat", Path: src, Err: err}
	}
	names, err := readNames(src)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := c.copyEntry(filepath.Join(src, name), filepath.Join(dst, name)); err != nil {
			return err
		}
	}
	return c.copyProperties(src, dst, &stat)
}

func (c treeCopy) copyEntry(src, dst string) error {
	var stat unix.Stat_t
	if err := unix.Lstat(src, &stat); err != nil {
		return &os.PathError{Op: "lstat", Path: src, Err: err}
	}
	if stat.Mode&unix.S_IFMT == unix.S_IFDIR {
		if err := os.Mkdir(dst, 0o700); err != nil {
			return err
		}
		return c.fillDir(src, dst)
	}
	if stat.Nlink > 1 {
		key := inode{uint64(stat.Dev), stat.Ino}
		if first, isCopied := c.firstName[key]; isCopied {
			return os.Link(first, dst)
		}
		c.firstName[key] = dst
	}
	made, err := makeEntry(src, dst, &stat)
	if err != nil || !made {
		return err
	}
	return c.copyProperties(src, dst, &stat)
}

// makeEntry copies anything but a folder. It returns false when it left the entry out.
func makeEntry(src, dst string, stat *unix.Stat_t) (bool, error) {
	switch stat.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		return true, copyContent(src, dst)
	case unix.S_IFLNK:
		to, err := os.Readlink(src)
		if err != nil {
			return false, err
		}
		return true, os.Symlink(to, dst)
	case unix.S_IFSOCK:
		return false, nil
	default:
		if err := unix.Mknod(dst, stat.Mode, int(stat.Rdev)); err != nil {
			return false, &os.PathError{Op: "mknod", Path: dst, Err: err}
		}
		return true, nil
	}
}

func copyContent(src, dst string) error {
	in, err := os.Open(src)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(dst, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		out.Close()
		return err
	}
	return out.Close()
}

// copyProperties sets owner, attributes, mode and times, in this order: a change of owner clears set-user-id
// bits and capabilities, and all of them change times.
func (c treeCopy) copyProperties(src, dst string, stat *unix.Stat_t) error {
	if err := unix.Lchown(dst, other(stat.Uid, c.owner.UID), other(stat.Gid, c.owner.GID)); err != nil {
		return &os.PathError{Op: "lchown", Path: dst, Err: err}
	}
	if err := copyAttributes(src, dst); err != nil {
		return err
	}
	if stat.Mode&unix.S_IFMT != unix.S_IFLNK {
		if err := unix.Chmod(dst, stat.Mode&0o7777); err != nil {
			return &os.PathError{Op: "chmod", Path: dst, Err: err}
		}
	}
	times := []unix.Timespec{stat.Atim, stat.Mtim}
	if err := unix.UtimesNanoAt(unix.AT_FDCWD, dst, times, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return &os.PathError{Op: "utimensat", Path: dst, Err: err}
	}
	return nil
}

// other returns the number that changes places with id.
func other(id, number uint32) int {
	switch id {
	case 0:
		return int(number)
	case number:
		return 0
	}
	return int(id)
}

func copyAttributes(src, dst string) error {
	size, err := unix.Llistxattr(src, nil)
	if errors.Is(err, unix.ENOTSUP) || (err == nil && size == 0) {
		return nil
	}
	if err != nil {
		return &os.PathError{Op: "listxattr", Path: src, Err: err}
	}
	list := make([]byte, size)
	if size, err = unix.Llistxattr(src, list); err != nil {
		return &os.PathError{Op: "listxattr", Path: src, Err: err}
	}
	for name := range bytes.SplitSeq(bytes.TrimRight(list[:size], "\x00"), []byte{0}) {
		if err := copyAttribute(src, dst, string(name)); err != nil {
			return &os.PathError{Op: "copy attribute " + string(name), Path: dst, Err: err}
		}
	}
	return nil
}

func copyAttribute(src, dst, name string) error {
	size, err := unix.Lgetxattr(src, name, nil)
	if err != nil {
		return err
	}
	value := make([]byte, size)
	if size, err = unix.Lgetxattr(src, name, value); err != nil {
		return err
	}
	return unix.Lsetxattr(dst, name, value[:size], 0)
}
