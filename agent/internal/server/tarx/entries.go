package tarx

import (
	"archive/tar"
	"errors"
	"io"
	"path"
	"strconv"

	"golang.org/x/sys/unix"
)

// place is where an entry goes: base in the open directory in.
type place struct {
	in   directory
	name string
	base string
}

// itself is the entry "./". It says something about the directory only when that was made for this archive.
func (u *unpacker) itself(header *tar.Header, mode uint32) error {
	if header.Typeflag != tar.TypeDir {
		return refuse("%q is not a directory", header.Name)
	}
	if u.made {
		u.later["."] = attributes{mode, header.ModTime}
		return u.own(header, u.to.root.fd)
	}
	return nil
}

func (u *unpacker) file(at place, header *tar.Header, mode uint32, content io.Reader) error {
	fd := -1
	err := u.make(at, func() (err error) {
		fd, err = createFile(at, mode)
		return err
	})
	if err != nil {
		return err
	}
	return u.finishFile(fd, at, header, mode, u.fill(fd, header, content))
}

// write writes a file whose content is at hand; it may run beside others. It fails with EISDIR when a directory is in its place.
func (u *unpacker) write(f *smallFile) error {
	fd, err := createFile(f.at, f.mode)
	if errors.Is(err, unix.EEXIST) {
		if err := unix.Unlinkat(f.at.in.fd, f.at.base, 0); err != nil && !errors.Is(err, unix.ENOENT) {
			return err
		}
		fd, err = createFile(f.at, f.mode)
	}
	if err != nil {
		return err
	}
	return u.finishFile(fd, f.at, &f.header, f.mode, writeAll(fd, f.content))
}

func createFile(at place, mode uint32) (fd int, err error) {
	return unix.Openat(at.in.fd, at.base, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, mode&0o777)
}

// finishFile closes a new file, and before that, unless err tells that it failed already, gives it owner, mode and time.
func (u *unpacker) finishFile(fd int, at place, header *tar.Header, mode uint32, err error) error {
	if err == nil && (u.keepOwners || at.in.setgid) {
		err = u.own(header, fd)
	}
	// Made with this mode already, unless the mask took some away, or a chown.
	if err == nil && (mode&^0o777 != 0 || mode&u.umask != 0) {
		err = unix.Fchmod(fd, mode)
	}
	if err == nil {
		err = setModified(fd, "", header.ModTime)
	}
	return errors.Join(err, unix.Close(fd))
}

func (u *unpacker) fill(fd int, header *tar.Header, content io.Reader) error {
	if header.Size == 0 {
		return nil
	}
	if u.buffer == nil {
		u.buffer = make([]byte, readBytes)
	}
	for {
		n, err := io.ReadFull(content, u.buffer[:min(int64(len(u.buffer)), header.Size)])
		if err := writeAll(fd, u.buffer[:n]); err != nil {
			return err
		}
		u.result.Bytes += int64(n)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, io.ErrUnexpectedEOF) && n == 0:
			return refuse("the archive ends inside of %q", header.Name)
		case err != nil && !errors.Is(err, io.ErrUnexpectedEOF):
			return err
		}
	}
}

func writeAll(fd int, content []byte) error {
	for len(content) > 0 {
		wrote, err := unix.Write(fd, content)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
		content = content[max(wrote, 0):]
	}
	return nil
}

func (u *unpacker) directory(at place, header *tar.Header, mode uint32) error {
	err := unix.Mkdirat(at.in.fd, at.base, 0o755)
	if errors.Is(err, unix.EEXIST) {
		var info unix.Stat_t
		if err := unix.Fstatat(at.in.fd, at.base, &info, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return err
		}
		if info.Mode&unix.S_IFMT != unix.S_IFDIR {
			err = u.make(at, func() error { return unix.Mkdirat(at.in.fd, at.base, 0o755) })
		} else {
			err = nil
		}
	}
	if err != nil {
		return err
	}
	u.later[at.name] = attributes{mode, header.ModTime}
	if u.keepOwners || at.in.setgid {
		return u.ownAt(header, at)
	}
	return nil
}

func (u *unpacker) symlink(at place, header *tar.Header) error {
	if header.Linkname == "" {
		return refuse("%q is a symlink to nothing", header.Name)
	}
	err := u.make(at, func() error { return unix.Symlinkat(header.Linkname, at.in.fd, at.base) })
	return u.dress(at, header, err)
}

func (u *unpacker) fifo(at place, header *tar.Header, mode uint32) error {
	err := u.make(at, func() error { return unix.Mknodat(at.in.fd, at.base, unix.S_IFIFO|mode&0o777, 0) })
	err = u.dress(at, header, err)
	if err != nil || mode&^0o777 == 0 && mode&u.umask == 0 {
		return err
	}
	fd, err := unix.Openat(at.in.fd, at.base, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	// Through the descriptor's own link: chmod by name would follow a symlink that took the place meanwhile.
	return errors.Join(unix.Chmod("/proc/self/fd/"+strconv.Itoa(fd), mode), unix.Close(fd))
}

// dress gives owner and time to what has no descriptor.
func (u *unpacker) dress(at place, header *tar.Header, err error) error {
	if err == nil && (u.keepOwners || at.in.setgid) {
		err = u.ownAt(header, at)
	}
	if err == nil {
		err = setModified(at.in.fd, at.base, header.ModTime)
	}
	return err
}

func (u *unpacker) hardLink(at place, header *tar.Header) error {
	target, err := cleanName(header.Linkname)
	if err != nil {
		return err
	}
	if target == at.name {
		return refuse("%q is a hard link to itself", header.Name)
	}
	if err := u.settle(target); err != nil {
		return err
	}
	folder, base := path.Split(target)
	in, err := u.from.dir(path.Clean(folder), false)
	if err != nil {
		return linkError(header, err)
	}
	err = u.make(at, func() error { return unix.Linkat(in.fd, base, at.in.fd, at.base, 0) })
	return linkError(header, err)
}

func linkError(header *tar.Header, err error) error {
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EPERM) {
		return refuse("%q cannot be a hard link to %q: %v", header.Name, header.Linkname, err)
	}
	return err
}

// make calls create, and once more after taking away what is in the place.
func (u *unpacker) make(at place, create func() error) error {
	err := create()
	if !errors.Is(err, unix.EEXIST) {
		return err
	}
	u.from.forget(at.name)
	delete(u.later, at.name)
	err = unix.Unlinkat(at.in.fd, at.base, 0)
	if errors.Is(err, unix.EISDIR) {
		// Files in it may not be written yet, and then it is not empty.
		if u.drain(); u.failed != nil {
			return errEarlier
		}
		err = unix.Unlinkat(at.in.fd, at.base, unix.AT_REMOVEDIR)
	}
	if err != nil && !errors.Is(err, unix.ENOENT) {
		return err
	}
	return create()
}
