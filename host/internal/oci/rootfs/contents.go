package rootfs

import (
	"cmp"
	"context"
	"errors"
	"io"
	"maps"
	"slices"

	"banger.dev/host/internal/ext4"
	"banger.dev/host/internal/oci/fault"
	"banger.dev/host/internal/oci/flatten"
	"banger.dev/host/internal/oci/layers"
)

// name gives every file its names and its inode, writes those without content, and returns the others in the
// order in which the layers have them. It empties the tree on its way, so that memory has it once.
func (b *builder) name(in ext4.Place, folder *flatten.Name) ([]*flatten.Inode, error) {
	var found []*flatten.Inode
	for _, base := range slices.Sorted(maps.Keys(folder.Children)) {
		child := folder.Children[base]
		if child.Kind == layers.Folder {
			place, err := b.writer.NewFolder(in, base, child.Attributes)
			if err != nil {
				return nil, err
			}
			below, err := b.name(place, child)
			if err != nil {
				return nil, err
			}
			found = append(found, below...)
			continue
		}
		isNew := child.Number == 0
		if err := b.nameFile(in, base, child.Inode); err != nil {
			return nil, err
		}
		if isNew && child.Kind == layers.File {
			found = append(found, child.Inode)
		}
	}
	folder.Children = nil
	return found, nil
}

func (b *builder) nameFile(in ext4.Place, base string, inode *flatten.Inode) error {
	kind := map[layers.Kind]ext4.Kind{layers.File: ext4.KindFile, layers.Symlink: ext4.KindSymlink, layers.Fifo: ext4.KindFifo}[inode.Kind]
	if inode.Number != 0 {
		return b.writer.NewLink(in, base, kind, inode.Number)
	}
	number, err := b.writer.NewName(in, base, kind)
	if err != nil {
		return err
	}
	inode.Number = number
	switch inode.Kind {
	case layers.Symlink:
		return b.writer.PutSymlink(number, contentOf(inode), inode.Target)
	case layers.Fifo:
		return b.writer.PutFifo(number, contentOf(inode))
	}
	return nil
}

func contentOf(inode *flatten.Inode) ext4.Content {
	return ext4.Content{Attributes: inode.Attributes, Links: inode.Links}
}

// copyContents writes the files, in one pass over each layer that has any. A copy of a file, which has more
// names than an inode can have, takes another pass.
func (b *builder) copyContents(ctx context.Context, files []*flatten.Inode) error {
	slices.SortFunc(files, func(x, y *flatten.Inode) int {
		return cmp.Or(cmp.Compare(x.Layer, y.Layer), cmp.Compare(x.At, y.At), cmp.Compare(x.Number, y.Number))
	})
	for len(files) > 0 {
		layer := files[0].Layer
		end := slices.IndexFunc(files, func(f *flatten.Inode) bool { return f.Layer != layer })
		if end < 0 {
			end = len(files)
		}
		for rest := files[:end]; len(rest) > 0; {
			var once, again []*flatten.Inode
			for at, file := range rest {
				if at > 0 && file.At == rest[at-1].At {
					again = append(again, file)
					continue
				}
				once = append(once, file)
			}
			if err := b.copyLayer(ctx, b.Layers[layer-1], once, layers.NewBudget(b.Limits)); err != nil {
				return err
			}
			rest = again
		}
		files = files[end:]
	}
	return nil
}

func (b *builder) copyLayer(ctx context.Context, layer Layer, files []*flatten.Inode, budget *layers.Budget) error {
	blob, err := layer.Open()
	if err != nil {
		return err
	}
	defer blob.Close()
	reader, err := layers.Open(ctx, b.watched(ctx, blob), budget)
	if err != nil {
		return err
	}
	defer reader.Close()
	for len(files) > 0 {
		entry, err := reader.Next()
		if errors.Is(err, io.EOF) || err == nil && entry.At == files[0].At && entry.SizeBytes != files[0].SizeBytes {
			return fault.Final(fault.Damaged, "Cannot unpack the image: a layer changed while it was read")
		}
		if err != nil {
			return err
		}
		if entry.At != files[0].At {
			continue
		}
		if err := b.put(files[0], reader); err != nil {
			return err
		}
		files = files[1:]
	}
	return nil
}

func (b *builder) put(file *flatten.Inode, content io.Reader) error {
	if file.IsSparse {
		return b.writer.PutSparse(file.Number, contentOf(file), file.SizeBytes, content)
	}
	return b.writer.PutFile(file.Number, contentOf(file), file.SizeBytes, content)
}
