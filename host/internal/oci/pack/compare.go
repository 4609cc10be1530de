package pack

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"slices"

	"banger.dev/host/internal/ext4"
)

// comparer compares files of two trees.
type comparer struct {
	// isOfBase reports whether a range of the newer image is as the base has it; nil when that is not known.
	isOfBase func(at, length int64) bool
	// links have the names of each node that has several, in their order.
	now, base map[uint32][]string
}

// linksOf returns the paths of the nodes that have several. Files that were taken from the base are left out:
// their numbers are those of the base.
func linksOf(top *file) map[uint32][]string {
	found := map[uint32][]string{}
	var walk func(at *file, path string)
	walk = func(at *file, path string) {
		for _, child := range at.children {
			name := path + child.name
			if child.kind() == ext4.KindFolder {
				walk(child, name+"/")
			} else if child.node.Links() > 1 && !child.isOfBase {
				found[child.node.Number] = append(found[child.node.Number], name)
			}
		}
	}
	walk(top, "")
	return found
}

// same reports whether a file, with all its names, is as in the base.
func (c *comparer) same(path string, now, base *file) (bool, error) {
	if now.isOfBase {
		return true, nil
	}
	if now.hasText || now.kind() != base.kind() {
		return false, nil
	}
	if isSame, err := sameAttributes(now.node, base.node); !isSame || err != nil {
		return false, err
	}
	switch now.kind() {
	case ext4.KindFolder, ext4.KindFifo:
		return true, nil
	case ext4.KindSymlink:
		a, err := now.node.Target()
		if err != nil {
			return false, damaged(err)
		}
		b, err := base.node.Target()
		return a == b, err
	case ext4.KindChar, ext4.KindBlock:
		major, minor := now.node.Device()
		otherMajor, otherMinor := base.node.Device()
		return major == otherMajor && minor == otherMinor, nil
	}
	if !slices.Equal(c.namesOf(c.now, path, now), c.namesOf(c.base, path, base)) {
		return false, nil
	}
	return c.sameContent(now.node, base.node)
}

func (c *comparer) namesOf(links map[uint32][]string, path string, f *file) []string {
	if names := links[f.node.Number]; len(names) > 1 {
		return names
	}
	return []string{path}
}

func sameAttributes(a, b ext4.Node) (bool, error) {
	left, err := a.Attributes()
	if err != nil {
		return false, damaged(err)
	}
	right, err := b.Attributes()
	if err != nil {
		return false, damaged(err)
	}
	order := func(x, y ext4.Xattr) int {
		return cmp.Or(cmp.Compare(x.Index, y.Index), cmp.Compare(x.Name, y.Name))
	}
	slices.SortFunc(left.Xattrs, order)
	slices.SortFunc(right.Xattrs, order)
	isSame := slices.EqualFunc(left.Xattrs, right.Xattrs, func(x, y ext4.Xattr) bool {
		return x.Index == y.Index && x.Name == y.Name && bytes.Equal(x.Value, y.Value)
	})
	return isSame && left.Mode == right.Mode && left.Uid == right.Uid && left.Gid == right.Gid && left.Modified.Equal(right.Modified), nil
}

func (c *comparer) sameContent(now, base ext4.Node) (bool, error) {
	if now.Size() != base.Size() {
		return false, nil
	}
	if c.isOfBase != nil {
		isUntouched, err := c.untouched(now, base)
		if isUntouched || err != nil {
			return isUntouched, err
		}
	}
	left, err := now.Content()
	if err != nil {
		return false, damaged(err)
	}
	right, err := base.Content()
	if err != nil {
		return false, damaged(err)
	}
	return sameBytes(left, right)
}

// untouched reports whether a file has the same places in both images, and the guest has written to none of
// them.
func (c *comparer) untouched(now, base ext4.Node) (bool, error) {
	spans, isReplayed, err := now.Spans()
	if err != nil {
		return false, damaged(err)
	}
	before, _, err := base.Spans()
	if err != nil || isReplayed || !slices.Equal(spans, before) {
		return false, nil
	}
	for _, span := range spans {
		if !c.isOfBase(span.At, span.Length) {
			return false, nil
		}
	}
	return true, nil
}

const compareBytes = 256 << 10

func sameBytes(a, b io.Reader) (bool, error) {
	left, right := make([]byte, compareBytes), make([]byte, compareBytes)
	for {
		n, err := io.ReadFull(a, left)
		m, otherErr := io.ReadFull(b, right)
		if n != m || !bytes.Equal(left[:n], right[:m]) {
			return false, nil
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return otherErr == err, nil
		}
		if err != nil || otherErr != nil {
			return false, damaged(fmt.Errorf("%w", cmp.Or(err, otherErr)))
		}
	}
}
