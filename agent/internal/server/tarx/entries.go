package tarx

import (
	"archive/tar"
	"errors"
	"io"
	"path"
	"strconv"

	"golang.org/x/sys/unix"
)

// itself handles the entry "./". Its attributes apply only when the directory was created for this archive.
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

// file writes a file. An existing file stays in place until the new one is complete; a failure leaves nothing
// of the new one.
func (u *unpacker) file(at place, header *tar.Header, mode uint32, content io.Reader) error {
	if header.Size <= smallBytes {
		if u.small == nil {
			u.small = make([]byte, smallBytes)
		}
		whole := u.small[:header.Size]
		if err := readWhole(header, content, whole); err != nil {
			return err
		}
		u.result.Bytes += header.Size
		return u.overDirectory(at, func() error {
			return u.write(&smallFile{at: at, header: *header, mode: mode, content: whole})
		})
	}
	f, err := createUnnamed(at, mode)
	if err != nil {
		return err
	}
	err = u.fill(f.fd, header, content)
	if err == nil {
		err = u.attributes(f.fd, at, header, mode)
	}
	if err == nil {
		err = u.overDirectory(at, f.settle)
	}
	return errors.Join(err, f.close())
}

// write writes a file whose content is in memory. Safe for concurrent use. It fails with EISDIR when a
// directory is in its place.
func (u *unpacker) write(f *smallFile) error {
	// In most cases there is no existing file that would have to stay until the new one is complete.
	fd, err := unix.Openat(f.at.in.fd, f.at.base, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, f.mode&0o777)
	if errors.Is(err, unix.EEXIST) {
		return u.rewrite(f)
	}
	if err != nil {
		return err
	}
	err = writeAll(fd, f.content)
	if err == nil {
		err = u.attributes(fd, f.at, &f.header, f.mode)
	}
	if err != nil {
		err = errors.Join(err, unix.Unlinkat(f.at.in.fd, f.at.base, 0))
	}
	return errors.Join(err, unix.Close(fd))
}

// rewrite writes a new file beside an existing one, and then puts it in its place.
func (u *unpacker) rewrite(f *smallFile) error {
	beside, err := createBeside(f.at, f.mode)
	if err != nil {
		return err
	}
	err = writeAll(beside.fd, f.content)
	if err == nil {
		err = u.attributes(beside.fd, f.at, &f.header, f.mode)
	}
	if err == nil {
		err = beside.settle()
	}
	return errors.Join(err, beside.close())
}

// attributes sets the owner, mode and time of a new file.
func (u *unpacker) attributes(fd int, at place, header *tar.Header, mode uint32) error {
	if u.isOwned() || at.in.setgid {
		if err := u.own(header, fd); err != nil {
			return err
		}
	}
	// The file was created with this mode, except for special bits and those in the umask. A chown clears the
	// special bits.
	if mode&^0o777 != 0 || mode&u.umask != 0 {
		if err := unix.Fchmod(fd, mode); err != nil {
			return err
		}
	}
	return setModified(fd, "", header.ModTime)
}

// fill writes the content of a file that is not small.
func (u *unpacker) fill(fd int, header *tar.Header, content io.Reader) error {
	if u.buffer == nil {
		u.buffer = make([]byte, readBytes)
	}
	isSparse := hasHoles(header)
	for offset := int64(0); ; {
		n, err := io.ReadFull(content, u.buffer[:min(int64(len(u.buffer)), header.Size)])
		if isSparse {
			if err := writeData(fd, u.buffer[:n], offset); err != nil {
				return err
			}
		} else if err := writeAll(fd, u.buffer[:n]); err != nil {
			return err
		}
		offset += int64(n)
		u.result.Bytes += int64(n)
		switch {
		case errors.Is(err, io.EOF):
			if isSparse {
				return unix.Ftruncate(fd, header.Size)
			}
			return nil
		case errors.Is(err, io.ErrUnexpectedEOF) && n == 0:
			return refuse("the archive ends in the middle of %q", header.Name)
		case err != nil && !errors.Is(err, io.ErrUnexpectedEOF):
			return err
		}
	}
}

// readWhole reads the whole content of a file into a buffer of its size.
func readWhole(header *tar.Header, content io.Reader, into []byte) error {
	_, err := io.ReadFull(content, into)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return refuse("the archive ends in the middle of %q", header.Name)
	}
	return err
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
		err = nil
		if info.Mode&unix.S_IFMT != unix.S_IFDIR {
			// A directory cannot replace another kind of file in one step.
			if err := unix.Unlinkat(at.in.fd, at.base, 0); err != nil && !errors.Is(err, unix.ENOENT) {
				return err
			}
			err = unix.Mkdirat(at.in.fd, at.base, 0o755)
		}
	}
	if err != nil {
		return err
	}
	u.later[at.name] = attributes{mode, header.ModTime}
	if u.isOwned() || at.in.setgid {
		return u.ownAt(header, at)
	}
	return nil
}

func (u *unpacker) symlink(at place, header *tar.Header) error {
	if header.Linkname == "" {
		return refuse("%q is a symlink to nothing", header.Name)
	}
	err := u.make(at, func(base string) error { return unix.Symlinkat(header.Linkname, at.in.fd, base) })
	return u.dress(at, header, err)
}

func (u *unpacker) fifo(at place, header *tar.Header, mode uint32) error {
	err := u.make(at, func(base string) error { return unix.Mknodat(at.in.fd, base, unix.S_IFIFO|mode&0o777, 0) })
	err = u.dress(at, header, err)
	if err != nil || mode&^0o777 == 0 && mode&u.umask == 0 {
		return err
	}
	fd, err := unix.Openat(at.in.fd, at.base, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	// Through the descriptor's link in /proc: chmod by name would follow a symlink that has taken the place
	// meanwhile.
	return errors.Join(unix.Chmod("/proc/self/fd/"+strconv.Itoa(fd), mode), unix.Close(fd))
}

// dress sets the owner and the time of an entry that has no descriptor.
func (u *unpacker) dress(at place, header *tar.Header, err error) error {
	if err == nil && (u.isOwned() || at.in.setgid) {
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
	err = u.make(at, func(name string) error { return unix.Linkat(in.fd, base, at.in.fd, name, 0) })
	return linkError(header, err)
}

func linkError(header *tar.Header, err error) error {
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EPERM) {
		return refuse("%q cannot be a hard link to %q: %v", header.Name, header.Linkname, err)
	}
	return err
}
