package tarx

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// place is the place of an entry: base in the open directory in.
type place struct {
	in   directory
	name string
	base string
}

// newFile is a file that takes its place once it is complete. An existing file stays in the place until then.
type newFile struct {
	fd int
	at place
	// temporary is its name beside the place, or "" while it has no name.
	temporary string
}

// createUnnamed creates a file without a name, which the kernel frees if this process ends. On a file system
// without such files, it calls createBeside instead, and an agent that is killed leaves that file behind.
func createUnnamed(at place, mode uint32) (*newFile, error) {
	fd, err := unix.Openat(at.in.fd, ".", unix.O_RDWR|unix.O_TMPFILE|unix.O_CLOEXEC, mode&0o777)
	if err == nil {
		return &newFile{fd: fd, at: at}, nil
	}
	if !errors.Is(err, unix.EOPNOTSUPP) && !errors.Is(err, unix.EISDIR) && !errors.Is(err, unix.EINVAL) {
		return nil, err
	}
	return createBeside(at, mode)
}

// createBeside creates a file with a temporary name in the directory of the place.
func createBeside(at place, mode uint32) (*newFile, error) {
	fd := -1
	name, err := beside(func(name string) (err error) {
		fd, err = unix.Openat(at.in.fd, name, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, mode&0o777)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &newFile{fd: fd, at: at, temporary: name}, nil
}

// beside calls create with random names until one is free, and returns that name.
func beside(create func(name string) error) (string, error) {
	for {
		name := fmt.Sprintf(".banger-%016x", rand.Uint64())
		if err := create(name); !errors.Is(err, unix.EEXIST) {
			return name, err
		}
	}
}

// settle moves the file to its place. It fails with EISDIR when a directory is there.
func (f *newFile) settle() error {
	if f.temporary == "" {
		self := "/proc/self/fd/" + strconv.Itoa(f.fd)
		err := unix.Linkat(unix.AT_FDCWD, self, f.at.in.fd, f.at.base, unix.AT_SYMLINK_FOLLOW)
		if !errors.Is(err, unix.EEXIST) {
			return err
		}
		f.temporary, err = beside(func(name string) error {
			return unix.Linkat(unix.AT_FDCWD, self, f.at.in.fd, name, unix.AT_SYMLINK_FOLLOW)
		})
		if err != nil {
			f.temporary = ""
			return err
		}
	}
	err := unix.Renameat(f.at.in.fd, f.temporary, f.at.in.fd, f.at.base)
	if errors.Is(err, unix.EBUSY) {
		return f.copyInto()
	}
	if err == nil {
		f.temporary = ""
	}
	return err
}

// copyInto overwrites the file in its place, which is a mount point and cannot be replaced, with the content
// of the new one. It keeps its owner and mode.
func (f *newFile) copyInto() error {
	fd, err := unix.Openat(f.at.in.fd, f.at.base, unix.O_WRONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	target := os.NewFile(uintptr(fd), f.at.name)
	defer target.Close()
	if info, err := target.Stat(); err != nil || !info.Mode().IsRegular() {
		return errors.Join(err, unix.EBUSY)
	}
	var info unix.Stat_t
	if err := unix.Fstat(f.fd, &info); err != nil {
		return err
	}
	if err := target.Truncate(0); err != nil {
		return err
	}
	if _, err := io.Copy(target, io.NewSectionReader(contentOf(f.fd), 0, info.Size)); err != nil {
		return err
	}
	return setModified(fd, "", time.Unix(info.Mtim.Unix()))
}

// contentOf reads a file at any offset.
type contentOf int

func (fd contentOf) ReadAt(p []byte, offset int64) (int, error) {
	n, err := unix.Pread(int(fd), p, offset)
	if err == nil && n < len(p) {
		err = io.EOF
	}
	return max(n, 0), err
}

// close closes the file, and removes it unless it is in its place.
func (f *newFile) close() error {
	var err error
	if f.temporary != "" {
		err = unix.Unlinkat(f.at.in.fd, f.temporary, 0)
	}
	return errors.Join(err, unix.Close(f.fd))
}

// make calls create with the name of the place. If something is there, it calls create with a temporary name
// instead, and renames that to the place.
func (u *unpacker) make(at place, create func(base string) error) error {
	err := create(at.base)
	if !errors.Is(err, unix.EEXIST) {
		return err
	}
	temporary, err := beside(create)
	if err != nil {
		return err
	}
	err = u.overDirectory(at, func() error { return unix.Renameat(at.in.fd, temporary, at.in.fd, at.base) })
	// A rename of one hard link of a file to another succeeds and does nothing.
	if removed := unix.Unlinkat(at.in.fd, temporary, 0); err == nil && !errors.Is(removed, unix.ENOENT) {
		err = removed
	}
	return err
}

// overDirectory calls put. If an empty directory is in the place, it removes that and calls put again.
func (u *unpacker) overDirectory(at place, put func() error) error {
	err := put()
	if !errors.Is(err, unix.EISDIR) {
		return err
	}
	u.from.forget(at.name)
	delete(u.later, at.name)
	// The directory may only look empty, because files in it are not written yet.
	if u.drain(); u.failed != nil {
		return errEarlier
	}
	if err := unix.Unlinkat(at.in.fd, at.base, unix.AT_REMOVEDIR); err != nil && !errors.Is(err, unix.ENOENT) {
		return err
	}
	return put()
}
