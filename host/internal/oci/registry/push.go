package registry

import (
	"bytes"
	"context"
	"net/http"
	"sync"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"banger.dev/host/internal/oci/fault"
	"banger.dev/host/internal/oci/images"
)

// Upload is an image of the store, and where it is to go.
type Upload struct {
	Manifest v1.Hash
	To       name.Reference
	// MountFrom are repositories that may have layers of it. Those of another registry are left out.
	MountFrom []name.Repository
}

// Pushed says what a push did.
type Pushed struct {
	Reference      string  `json:"reference"`
	ManifestDigest v1.Hash `json:"manifestDigest"`
	// Uploaded, Mounted and Present count layers: those that were sent, those that the registry took from
	// another of its repositories, and those that it had there already.
	Uploaded      int   `json:"uploaded"`
	Mounted       int   `json:"mounted"`
	Present       int   `json:"present"`
	UploadedBytes int64 `json:"uploadedBytes"`
}

// Push brings an image to a registry: the layers that it lacks, then the configuration and the manifest, so
// that a failure leaves no image there.
func (p *Puller) Push(ctx context.Context, upload Upload, progress Progress) (Pushed, error) {
	pushed := Pushed{Reference: FullName(upload.To), ManifestDigest: upload.Manifest}
	if digest, isDigest := upload.To.(name.Digest); isDigest && digest.DigestStr() != upload.Manifest.String() {
		return pushed, fault.Final(fault.ReferenceInvalid, "Cannot push to %q: the image has the digest %q", upload.To, upload.Manifest)
	}
	content, err := p.Store.Read(upload.Manifest, images.MaxManifestBytes)
	if err != nil {
		return pushed, err
	}
	manifest, _, err := images.Read(p.Store, upload.Manifest)
	if err != nil {
		return pushed, err
	}
	to, mountFrom, err := p.target(upload)
	if err != nil {
		return pushed, err
	}
	var total int64
	for _, layer := range manifest.Layers {
		total += layer.Size
	}
	progress.Expect(len(manifest.Layers), total)
	var lock sync.Mutex
	err = severalAtOnce(ctx, distinct(manifest.Layers), func(ctx context.Context, layer v1.Descriptor) error {
		how, err := p.upload(ctx, to, layer, uploadOptions{mountFrom, progress.Got})
		if err != nil {
			return err
		}
		lock.Lock()
		defer lock.Unlock()
		pushed.count(how, layer.Size)
		progress.GotLayer()
		return nil
	})
	if err != nil {
		return pushed, err
	}
	if _, err := p.upload(ctx, to, manifest.Config, uploadOptions{mountFrom, func(int64) {}}); err != nil {
		return pushed, err
	}
	return pushed, p.putManifest(ctx, to, upload, content)
}

func (p *Pushed) count(how uploadedHow, bytes int64) {
	switch how {
	case sent:
		p.Uploaded++
		p.UploadedBytes += bytes
	case mounted:
		p.Mounted++
	case present:
		p.Present++
	}
}

// target returns where the image goes, and the repositories of that registry from which it may take layers.
func (p *Puller) target(upload Upload) (to *source, mountFrom []name.Repository, err error) {
	repository, err := p.repository(upload.To.Context().RegistryStr(), upload.To.Context().RepositoryStr())
	if err != nil {
		return nil, nil, err
	}
	to = p.source(repository)
	to.doing, to.scopes = "push to", []string{repository.Scope(transport.PushScope)}
	for _, from := range upload.MountFrom {
		if from.RegistryStr() == repository.RegistryStr() && from.RepositoryStr() != repository.RepositoryStr() {
			mountFrom = append(mountFrom, from)
			to.scopes = append(to.scopes, from.Scope(transport.PullScope))
		}
	}
	return to, mountFrom, nil
}

// distinct returns each part once.
func distinct(parts []v1.Descriptor) []v1.Descriptor {
	var found []v1.Descriptor
	seen := map[v1.Hash]bool{}
	for _, part := range parts {
		if !seen[part.Digest] {
			seen[part.Digest] = true
			found = append(found, part)
		}
	}
	return found
}

func (p *Puller) putManifest(ctx context.Context, to *source, upload Upload, content []byte) error {
	return p.retry(ctx, func(int) (int64, error) {
		response, err := p.put(ctx, to, to.url("manifests/"+upload.To.Identifier()), body{
			media: string(images.MediaTypeOf(content)), size: int64(len(content)), from: bytes.NewReader(content),
		})
		if err != nil {
			return 0, err
		}
		defer response.Body.Close()
		if err := transport.CheckError(response, http.StatusOK, http.StatusCreated, http.StatusAccepted); err != nil {
			return 0, to.explain(ctx, err)
		}
		said, err := v1.NewHash(response.Header.Get("Docker-Content-Digest"))
		if err == nil && said.Algorithm == upload.Manifest.Algorithm && said != upload.Manifest {
			return 0, fault.New(fault.BadAnswer, "Cannot push to %q: the registry stored the image as %q instead of %q", to.repository.Name(), said, upload.Manifest)
		}
		return 0, nil
	})
}
