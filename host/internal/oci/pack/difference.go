package pack

import (
	"path"
	"strings"

	"banger.dev/host/internal/ext4"
)

// difference writes what a tree has that its base has not, and whiteouts for what is gone.
type difference struct {
	*archive
	comparer
}

// folder writes the difference of two folders at a path.
func (d *difference) folder(at string, now, base *file) error {
	if isSame, err := d.same(at, now, base); err != nil {
		return err
	} else if !isSame {
		if err := d.add(at, now); err != nil {
			return err
		}
	}
	left, right := now.children, base.children
	for len(left) > 0 || len(right) > 0 {
		switch {
		case len(right) == 0 || len(left) > 0 && left[0].name < right[0].name:
			if err := d.addAll(below(at, left[0].name), left[0]); err != nil {
				return err
			}
			left = left[1:]
		case len(left) == 0 || right[0].name < left[0].name:
			if strings.HasPrefix(right[0].name, whiteoutPrefix) {
				right = right[1:]
				continue
			}
			if err := d.whiteout(at, right[0].name); err != nil {
				return err
			}
			right = right[1:]
		default:
			if err := d.both(below(at, left[0].name), left[0], right[0]); err != nil {
				return err
			}
			left, right = left[1:], right[1:]
		}
	}
	return nil
}

// both writes the difference of two files of one name. An entry of another kind replaces what is below it.
func (d *difference) both(at string, now, base *file) error {
	if strings.HasPrefix(now.name, whiteoutPrefix) {
		return nil
	}
	if now.isOfBase {
		return nil
	}
	isFolder := now.kind() == ext4.KindFolder
	if isFolder && base.kind() == ext4.KindFolder {
		return d.folder(at, now, base)
	}
	isSame, err := d.same(at, now, base)
	if err != nil {
		return err
	}
	if isSame {
		if now.kind() == ext4.KindFile {
			d.done(now.size())
		}
		return nil
	}
	if now.kind() == ext4.KindSocket {
		return d.whiteout(folderOf(at), path.Base(at))
	}
	return d.addAll(at, now)
}

// folderOf returns the folder of a path; the top is "".
func folderOf(at string) string {
	if folder := path.Dir(at); folder != "." {
		return folder
	}
	return ""
}
