package archives

import (
	"archive/tar"
	"context"
	"errors"
	"io"
)

// checkEntries reads a tar archive to its end.
func checkEntries(ctx context.Context, stream io.Reader) error {
	reader := tar.NewReader(stream)
	for {
		_, err := reader.Next()
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, io.EOF):
			// The digest is of all bytes, and those after the end of the archive count.
			_, err := io.Copy(io.Discard, stream)
			return err
		case err != nil:
			return err
		}
	}
}
