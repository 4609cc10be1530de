package blobs

import (
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"banger.dev/host/internal/oci/fault"
)

// Checked reads a blob and computes the digest of what is read.
type Checked struct {
	from   io.Reader
	digest v1.Hash
	hash   hash.Hash
}

// NewChecked returns a reader of a blob that must have a digest.
func NewChecked(from io.Reader, digest v1.Hash) *Checked { return &Checked{from, digest, sha256.New()} }

func (c *Checked) Read(p []byte) (int, error) {
	n, err := c.from.Read(p)
	c.hash.Write(p[:n])
	return n, err
}

// Verify fails when what was read has another digest.
func (c *Checked) Verify() error {
	if hex.EncodeToString(c.hash.Sum(nil)) != c.digest.Hex {
		return Other(c.digest.String())
	}
	return nil
}

// Other is the error for a blob whose content is not that of its digest.
func Other(part string) error {
	return fault.Final(fault.Damaged, "Cannot read the image: the content of its part %q is another one", part).
		WithHint("delete the image, and pull or import it again")
}
