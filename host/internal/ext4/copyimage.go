package ext4

import (
	"fmt"
	"io"
	"os"
	"path"
	"strings"
)

// CopyFromFile is CopyFrom for the image in a file.
func (w *Writer) CopyFromFile(path, folder string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	image, err := OpenImage(file)
	if err != nil {
		return err
	}
	return w.CopyFrom(image, folder)
}

// CopyFrom copies the content of a folder of an image to the top of the file system, and the attributes of
// that folder. It keeps everything: owners, times, links, extended attributes. Sockets are left out.
func (w *Writer) CopyFrom(image *Image, folder string) error {
	number := uint32(inodeOfRoot)
	for part := range strings.SplitSeq(strings.Trim(path.Clean("/"+folder), "/"), "/") {
		if part == "" {
			continue
		}
		var err error
		if number, err = image.find(number, part); err != nil {
			return err
		}
		if number == 0 {
			return fmt.Errorf("the image has no %q", folder)
		}
	}
	c := imageCopy{w, image, map[uint32]string{}}
	return c.copy(number, ".", 0)
}

// maxDepth bounds how deep folders are in one another.
const maxDepth = 1000

type imageCopy struct {
	to   *Writer
	from *Image
	// names has the first name of each file.
	names map[uint32]string
}

func (c *imageCopy) copy(number uint32, name string, depth int) error {
	if depth > maxDepth {
		return corrupt("its folders are more than %d deep", maxDepth)
	}
	if first, isCopied := c.names[number]; isCopied {
		return c.to.Link(name, first)
	}
	inode, err := c.from.inodeAt(number)
	if err != nil {
		return err
	}
	attributes, err := c.from.attributesIn(inode)
	if err != nil {
		return err
	}
	kind := le.Uint16(inode) & typeMask
	if kind != typeFolder {
		c.names[number] = name
	}
	switch kind {
	case typeFolder:
		return c.copyFolder(inode, name, attributes, depth)
	case typeFile:
		content, err := c.from.contentOf(inode)
		if err != nil {
			return err
		}
		return c.to.File(name, attributes, sizeOf(inode), content)
	case typeSymlink:
		target, err := c.from.targetOf(inode)
		if err != nil {
			return err
		}
		return c.to.Symlink(name, attributes, target)
	case typeFifo:
		return c.to.Fifo(name, attributes)
	case typeSocket:
		delete(c.names, number)
		return nil
	}
	return fmt.Errorf("%q is a device, which is not kept", name)
}

const typeSocket = 0xC000

func (c *imageCopy) copyFolder(inode []byte, name string, attributes Attributes, depth int) error {
	if err := c.to.Folder(name, attributes); err != nil {
		return err
	}
	entries, err := c.from.entriesOf(inode)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := c.copy(e.number, path.Join(name, e.name), depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (i *Image) targetOf(inode []byte) (string, error) {
	size := sizeOf(inode)
	if size < 60 && le.Uint32(inode[0x20:])&flagExtents == 0 {
		return string(inode[0x28:][:size]), nil
	}
	if size >= blockBytes {
		return "", corrupt("a symlink has %d bytes", size)
	}
	content, err := i.contentOf(inode)
	if err != nil {
		return "", err
	}
	target, err := io.ReadAll(content)
	return string(target), err
}
