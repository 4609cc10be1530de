package gitwatch

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// gitFolder is in the path of git's own files. Git knows what it has changed there.
const gitFolder = "/.git/"

// maxDepth bounds how many deleted folders are in one another.
const maxDepth = 256

// finder finds where folders are, as a mount has them.
type finder struct {
	changes
	mount int
	found map[handle]string
}

// namesBelow returns the names of changed places in a working tree, those of git's own files left out.
// isWhole is false when they are not all that git has to look at: a folder was renamed, the place of one is
// not known any more, or a file has another name, which git may know.
func namesBelow(top string, changed changes) (names []string, isWhole bool, err error) {
	if len(changed.places) == 0 {
		return nil, true, nil
	}
	mount, err := unix.Open(top, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, false, err
	}
	defer unix.Close(mount)
	find := &finder{changed, mount, map[handle]string{}}
	top = strings.TrimSuffix(top, "/") + "/"
	for at, isMoved := range changed.places {
		path, err := find.path(at, 0)
		if err != nil {
			return nil, false, nil
		}
		if strings.Contains(path+"/", gitFolder) {
			continue
		}
		var stat unix.Stat_t
		isLinked := unix.Lstat(path, &stat) == nil && stat.Mode&unix.S_IFMT == unix.S_IFREG && stat.Nlink > 1
		if isMoved || isLinked {
			return nil, false, nil
		}
		if below, isBelow := strings.CutPrefix(path, top); isBelow {
			names = append(names, below)
		}
	}
	return names, true, nil
}

func (f *finder) path(of place, depth int) (string, error) {
	folder, err := f.folder(of.folder, depth)
	return strings.TrimSuffix(folder, "/") + "/" + of.name, err
}

var errGone = errors.New("the folder is gone")

// folder returns where a folder is, or was before it was deleted.
func (f *finder) folder(of handle, depth int) (string, error) {
	if path, isKnown := f.found[of]; isKnown {
		return path, nil
	}
	path, err := f.open(of)
	if err != nil {
		at, isKnown := f.folders[of]
		if !isKnown || depth > maxDepth {
			return "", err
		}
		if path, err = f.path(at, depth+1); err != nil {
			return "", err
		}
	}
	f.found[of] = path
	return path, nil
}

func (f *finder) open(of handle) (string, error) {
	fd, err := unix.OpenByHandleAt(f.mount, unix.NewFileHandle(of.kind, []byte(of.bytes)), unix.O_PATH|unix.O_CLOEXEC)
	if err != nil {
		return "", err
	}
	defer unix.Close(fd)
	buffer := make([]byte, unix.PathMax)
	length, err := unix.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd), buffer)
	if err != nil {
		return "", err
	}
	path := string(buffer[:length])
	if !strings.HasPrefix(path, "/") || strings.HasSuffix(path, " (deleted)") {
		return "", errGone
	}
	return path, nil
}
