package mkext4

import (
	"fmt"
	"io/fs"
	"path"

	"banger.dev/host/internal/ext4"
	"banger.dev/host/internal/gitindex"
)

// tree is a git working tree in an image that is being written.
type tree struct {
	writer *ext4.Writer
	top    string
}

// holdIndex has the writer keep what watch needs in memory.
func holdIndex(writer *ext4.Writer, top string) tree {
	writer.Hold(path.Join(top, gitindex.IndexFile), path.Join(top, gitindex.ExcludeFile))
	return tree{writer, top}
}

// watch lets git in the guest, where the tree is at place, ask for changes instead of looking at all files.
func (t tree) watch(place string) error {
	held := t.writer.Held(path.Join(t.top, gitindex.IndexFile))
	if held == nil {
		return nil
	}
	content, err := gitindex.Watch(held.Content, t, place, held.Modified)
	if err != nil {
		return fmt.Errorf("prepare the index: %w", err)
	}
	held.Content = content
	return nil
}

// Look implements gitindex.Disk.
func (t tree) Look(name string) (gitindex.Found, error) {
	stat, isThere, err := t.writer.Stat(path.Join(t.top, name))
	if err == nil && !isThere {
		err = fs.ErrNotExist
	}
	return gitindex.Found{Mode: uint32(stat.Mode), Size: stat.Size, Seconds: stat.Seconds}, err
}

// Names implements gitindex.Disk.
func (t tree) Names(folder string) map[string]uint32 {
	children := t.writer.Children(path.Join(t.top, folder))
	if children == nil {
		return nil
	}
	names := make(map[string]uint32, len(children))
	for name, kind := range children {
		names[name] = uint32(kind)
	}
	return names
}

// Content implements gitindex.Disk. It knows only the held files.
func (t tree) Content(name string) []byte {
	held := t.writer.Held(path.Join(t.top, name))
	if held == nil {
		return nil
	}
	return held.Content
}
