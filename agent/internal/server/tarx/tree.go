package tarx

import (
	"errors"
	"os"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// tree opens directories below one directory. It keeps the directories on the way to the last one open,
// because archives list files directory by directory.
type tree struct {
	root directory
	// way holds the open directories, from a child of the root to the directory named last.
	way  []directory
	last string
	// settle is called with each name before it is opened.
	settle func(name string) error
	// owners says whom directories belong to that no entry of the archive describes.
	owners Owners
}

type directory struct {
	name string
	*handle
	// setgid: new entries get the directory's group.
	setgid bool
}

// handle is an open directory. The last user closes it.
type handle struct {
	fd    int
	users atomic.Int32
}

func (h *handle) release() {
	if h.users.Add(-1) == 0 {
		unix.Close(h.fd)
	}
}

func openTree(path string, owners Owners, settle func(name string) error) (*tree, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	root, err := inspect("", fd)
	if err != nil {
		return nil, err
	}
	return &tree{root: root, last: ".", settle: settle, owners: owners}, nil
}

func (t *tree) close() {
	t.cut(0)
	t.root.release()
}

// dir returns the directory with a clean name. If it does not exist, it is created when missing is set, else
// dir returns ENOENT.
func (t *tree) dir(name string, missing bool) (directory, error) {
	if name != t.last {
		if err := t.walk(name, missing); err != nil {
			return directory{}, err
		}
	}
	return t.at(), nil
}

func (t *tree) at() directory {
	if len(t.way) == 0 {
		return t.root
	}
	return t.way[len(t.way)-1]
}

func (t *tree) walk(name string, missing bool) error {
	depth, end := 0, -1
	if name != "." {
		for part := range strings.SplitSeq(name, "/") {
			end += 1 + len(part)
			if depth == len(t.way) || t.way[depth].name != part {
				t.cut(depth)
				if err := t.settle(name[:end]); err != nil {
					return err
				}
				next, err := t.enter(part, missing)
				if err != nil {
					return err
				}
				t.way = append(t.way, next)
			}
			depth++
		}
	}
	t.cut(depth)
	t.last = name
	return nil
}

func (t *tree) enter(part string, missing bool) (directory, error) {
	const flags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	above := t.at()
	fd, err := unix.Openat(above.fd, part, flags, 0)
	if missing && errors.Is(err, unix.ENOENT) {
		err = unix.Mkdirat(above.fd, part, 0o755)
		if err == nil && !t.owners.Kept && t.owners != Callers() {
			err = unix.Fchownat(above.fd, part, t.owners.UID, t.owners.GID, unix.AT_SYMLINK_NOFOLLOW)
		}
		if err != nil && !errors.Is(err, unix.EEXIST) {
			return directory{}, err
		}
		fd, err = unix.Openat(above.fd, part, flags, 0)
	}
	if errors.Is(err, unix.ELOOP) || errors.Is(err, unix.ENOTDIR) {
		return directory{}, refuse("cannot unpack below %q: it is a symlink or not a directory", part)
	}
	if err != nil {
		return directory{}, err
	}
	return inspect(part, fd)
}

// inspect owns fd from now on, also when it fails.
func inspect(name string, fd int) (directory, error) {
	var info unix.Stat_t
	if err := unix.Fstat(fd, &info); err != nil {
		unix.Close(fd)
		return directory{}, err
	}
	opened := &handle{fd: fd}
	opened.users.Store(1)
	return directory{name: name, handle: opened, setgid: info.Mode&unix.S_ISGID != 0}, nil
}

// cut closes the directories deeper than depth.
func (t *tree) cut(depth int) {
	for _, deeper := range t.way[depth:] {
		deeper.release()
	}
	if depth < len(t.way) {
		// Until the walk has succeeded, no name matches.
		t.last = ""
	}
	t.way = t.way[:depth]
}

// forget closes the directory with this name if it is open, because the name is about to be given to
// something else.
func (t *tree) forget(name string) {
	depth := 0
	for part := range strings.SplitSeq(name, "/") {
		if depth == len(t.way) || t.way[depth].name != part {
			return
		}
		depth++
	}
	t.cut(depth - 1)
}
