package images

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"banger.dev/host/internal/oci/fault"
)

// ParseIndex returns the entries of a list of images.
func ParseIndex(content []byte) ([]v1.Descriptor, error) {
	index, err := v1.ParseIndexManifest(bytes.NewReader(content))
	if err != nil {
		return nil, fmt.Errorf("its index is damaged: %w", err)
	}
	return index.Manifests, nil
}

// Choose returns the entry that is for a platform.
func Choose(entries []v1.Descriptor, wanted v1.Platform) (v1.Descriptor, error) {
	var there []string
	for _, entry := range entries {
		if !entry.MediaType.IsImage() && !entry.MediaType.IsIndex() {
			continue
		}
		if entry.Platform == nil || Fits(*entry.Platform, wanted) {
			return entry, checkDigest(entry.Digest)
		}
		// Attestations of builders have a platform of no machine.
		if entry.Platform.OS != "unknown" {
			there = append(there, platformText(*entry.Platform))
		}
	}
	return v1.Descriptor{}, MissingPlatform(wanted, there)
}

// Fits reports whether an image for a platform runs on the wanted one. What the image does not say fits.
func Fits(has, wanted v1.Platform) bool {
	if has.OS != "" && has.OS != wanted.OS || has.Architecture != "" && has.Architecture != wanted.Architecture {
		return false
	}
	return has.Variant == "" || has.Variant == variantOf(wanted)
}

// variantOf returns the variant of a platform, or the one that its architecture stands for.
func variantOf(p v1.Platform) string {
	if p.Variant == "" && p.Architecture == "arm64" {
		return "v8"
	}
	return p.Variant
}

// MissingPlatform is the error for an image that is not there for a platform, with those that are.
func MissingPlatform(wanted v1.Platform, there []string) error {
	slices.Sort(there)
	there = slices.Compact(there)
	found := "it has none"
	if len(there) > 0 {
		found = "it is there for " + strings.Join(there, ", ")
	}
	return fault.Final(fault.PlatformMissing, "Cannot use the image on %s: %s", platformText(wanted), found).
		WithHint("choose one of its platforms with --platform")
}

func platformText(p v1.Platform) string {
	text := p.OS + "/" + p.Architecture
	if p.Variant != "" {
		text += "/" + p.Variant
	}
	return text
}
