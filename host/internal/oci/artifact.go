package oci

import (
	"context"
	"errors"
	"flag"
	"io"
	"io/fs"
	"os"
	"path"

	"banger.dev/host/internal/oci/fault"
	"banger.dev/host/internal/oci/layers"
)

// Bounds of an artefact whose files are written to this host.
const (
	maxArtifactBytes   = 256 << 20
	maxArtifactEntries = 10_000
)

// pullArtifact writes the files of an artefact in a registry to an empty folder.
func pullArtifact(ctx context.Context, args []string, lines *lines) (any, error) {
	flags := flag.NewFlagSet("oci artifact", flag.ContinueOnError)
	from := addSource(flags)
	out := flags.String("out", "", "empty folder for its files")
	if err := parse(flags, args, from.store, from.ref, out); err != nil {
		return nil, err
	}
	source, err := from.open()
	if err != nil {
		return nil, err
	}
	defer source.puller.Close()
	artifact, err := source.puller.PullArtifact(ctx, source.reference, maxArtifactBytes, &pulled{lines: lines})
	if err != nil {
		return nil, err
	}
	blob, err := source.into.Open(artifact.Archive.Digest)
	if err != nil {
		return nil, err
	}
	defer blob.Close()
	files, err := unpackFiles(ctx, blob, *out)
	return map[string]any{"artifact": map[string]any{
		"manifestDigest": artifact.Manifest.String(), "files": files,
	}}, err
}

// unpackFiles writes the files and folders of an archive below a folder, whatever their names say, and
// returns how many files there are. Anything else, such as a link, is refused.
func unpackFiles(ctx context.Context, archive io.Reader, out string) (files int, err error) {
	root, err := os.OpenRoot(out)
	if err != nil {
		return 0, err
	}
	defer root.Close()
	budget := layers.NewBudget(layers.Limits{MaxBytes: maxArtifactBytes, MaxEntries: maxArtifactEntries})
	reader, err := layers.Open(ctx, archive, budget)
	if err != nil {
		return 0, err
	}
	defer reader.Close()
	for {
		entry, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return files, nil
		}
		if err != nil {
			return files, err
		}
		switch entry.Kind {
		case layers.Folder:
			err = root.MkdirAll(entry.Name, 0o755)
		case layers.File:
			files++
			err = writeFile(root, entry, reader)
		default:
			err = badArtifact(entry.Name, "is neither a file nor a folder")
		}
		if err != nil {
			return files, err
		}
	}
}

func writeFile(root *os.Root, entry *layers.Entry, content io.Reader) error {
	if err := root.MkdirAll(path.Dir(entry.Name), 0o755); err != nil {
		return badArtifact(entry.Name, "is below a file")
	}
	mode := fs.FileMode(0o644)
	if entry.Attributes.Mode&0o111 != 0 {
		mode = 0o755
	}
	file, err := root.OpenFile(entry.Name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return badArtifact(entry.Name, "is there twice")
	}
	if _, err := io.Copy(file, content); err != nil {
		return errors.Join(err, file.Close())
	}
	return file.Close()
}

func badArtifact(name, why string) error {
	return fault.Final(fault.ArchiveBad, "Cannot unpack the artefact: %q %s", name, why)
}
