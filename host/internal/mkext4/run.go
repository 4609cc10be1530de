// Package mkext4 is the command that writes a tar stream to an ext4 image.
package mkext4

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path"
	"time"

	"golang.org/x/sys/unix"

	"banger.dev/host/internal/ext4"
)

// mostEntries bounds the memory to about 400 MB.
const mostEntries = 2_000_000

// Run makes an image from the tar stream on standard input: "--size BYTES --uuid HEX [option...] IMAGE". The
// image must not exist; a failure removes it. It prints how many entries and bytes the image has, as JSON.
func Run(args []string) error {
	flags := flag.NewFlagSet("ext4", flag.ContinueOnError)
	size := flags.Int64("size", 0, "bytes of the file system")
	uuid := flags.String("uuid", "", "its 32 hex digits")
	made := flags.Int64("made", 0, "Unix time of what has none of its own")
	at := flags.String("at", ".", "folder for the tar stream")
	home := flags.String("home", "", "image whose folder --folder comes first, at the top")
	folder := flags.String("folder", "/root", "see --home")
	watched := flags.String("watched", "", "path, in the guest, of a git working tree in --at whose index lets git ask for changes")
	sync := flags.Bool("sync", false, "write the image to the disk before the end")
	if err := flags.Parse(args); err != nil {
		return err
	}
	id, err := hex.DecodeString(*uuid)
	if err != nil || len(id) != 16 || flags.NArg() != 1 || path.IsAbs(*at) {
		return errors.New("ext4: --size BYTES --uuid HEX [--at FOLDER] [--home IMAGE [--folder PATH]] IMAGE")
	}
	options := ext4.Options{Size: *size, UUID: [16]byte(id), Made: time.Unix(*made, 0), MaxEntries: mostEntries, Label: "work"}
	into := flags.Arg(0)
	file, err := os.OpenFile(into, os.O_RDWR|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return fmt.Errorf("ext4: %w", err)
	}
	parts := parts{at: *at, home: *home, folder: *folder, watched: *watched}
	writer, err := fill(file, options, parts)
	if err == nil && *sync {
		err = file.Sync()
	}
	if err := errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("ext4: %w", errors.Join(err, os.Remove(into)))
	}
	return json.NewEncoder(os.Stdout).Encode(writer.Summary())
}

type parts struct{ at, home, folder, watched string }

func fill(file *os.File, options ext4.Options, p parts) (*ext4.Writer, error) {
	writer, err := ext4.NewWriter(file, options)
	if err != nil {
		return nil, err
	}
	if p.home != "" {
		if err := writer.CopyFromFile(p.home, p.folder); err != nil {
			return nil, fmt.Errorf("copy %s of %s: %w", p.folder, p.home, err)
		}
	}
	top := path.Clean(p.at)
	if p.watched == "" {
		if err := writer.AddTar(os.Stdin, top); err != nil {
			return nil, err
		}
		return writer, writer.Close()
	}
	tree := holdIndex(writer, top)
	if err := writer.AddTar(os.Stdin, top); err != nil {
		return nil, err
	}
	if err := tree.watch(p.watched); err != nil {
		return nil, err
	}
	return writer, writer.Close()
}
