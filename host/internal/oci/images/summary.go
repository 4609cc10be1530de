package images

import (
	"maps"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Summary is what is printed of an image that is in the store.
type Summary struct {
	// Reference is the full name, or empty for an image without one.
	Reference      string  `json:"reference,omitempty"`
	ManifestDigest v1.Hash `json:"manifestDigest"`
	ConfigDigest   v1.Hash `json:"configDigest"`
	Platform       string  `json:"platform"`
	Layers         []Layer `json:"layers"`
	Config         Config  `json:"config"`
}

// Layer is a layer as it is stored.
type Layer struct {
	Digest    v1.Hash `json:"digest"`
	SizeBytes int64   `json:"sizeBytes"`
}

// Config says how to run a program of the image.
type Config struct {
	Env          []string          `json:"env,omitempty"`
	Cmd          []string          `json:"cmd,omitempty"`
	Entrypoint   []string          `json:"entrypoint,omitempty"`
	User         string            `json:"user,omitempty"`
	WorkingDir   string            `json:"workingDir,omitempty"`
	ExposedPorts []string          `json:"exposedPorts,omitempty"`
	Labels       map[string]string `json:"labels,omitempty"`
	StopSignal   string            `json:"stopSignal,omitempty"`
}

// Summarise returns what is printed of an image.
func Summarise(reference string, digest v1.Hash, manifest *v1.Manifest, config *v1.ConfigFile, wanted v1.Platform) Summary {
	platform := v1.Platform{OS: config.OS, Architecture: config.Architecture, Variant: config.Variant}
	if platform.OS == "" || platform.Architecture == "" {
		platform = wanted
	}
	layers := []Layer{}
	for _, layer := range manifest.Layers {
		layers = append(layers, Layer{layer.Digest, layer.Size})
	}
	c := config.Config
	return Summary{
		Reference: reference, ManifestDigest: digest, ConfigDigest: manifest.Config.Digest,
		Platform: platformText(platform), Layers: layers,
		Config: Config{
			Env: c.Env, Cmd: c.Cmd, Entrypoint: c.Entrypoint, User: c.User, WorkingDir: c.WorkingDir,
			ExposedPorts: slices.Sorted(maps.Keys(c.ExposedPorts)), Labels: c.Labels, StopSignal: c.StopSignal,
		},
	}
}
