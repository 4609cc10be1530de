package oci

import (
	"archive/tar"
	"fmt"
	"testing"
)

const manyLayers = 120

// imageOfManyLayers has a file of each layer, one that all write, and one that each removes of the layer
// below.
func imageOfManyLayers(t testing.TB) image {
	t.Helper()
	var layers []part
	for at := range manyLayers {
		entries := []entry{
			{name: "shared/", kind: tar.TypeDir},
			{name: "shared/newest", content: fmt.Sprintf("of layer %d", at), uid: at},
			{name: fmt.Sprintf("shared/of-%03d", at), content: fmt.Sprintf("%d", at)},
		}
		if at > 0 {
			entries = append(entries, entry{name: fmt.Sprintf("shared/.wh.passing-%03d", at-1)})
		}
		entries = append(entries, entry{name: fmt.Sprintf("shared/passing-%03d", at), content: "gone"})
		layers = append(layers, layerOf(t, []string{"+gzip", "+zstd"}[at%2], entries...))
	}
	return imageOf(t, "amd64", layers...)
}

func TestAnImageOfManyLayersIsPulledAndUnpacked(t *testing.T) {
	url, host := startRegistry(t)
	made := imageOfManyLayers(t)
	made.push(t, url, "many/layers", "v1")
	store := t.TempDir()
	found := run(t, pull, "--store", store, "--ref", host+"/many/layers:v1", noAuth(t)).ok(t).Image
	if len(found.Layers) != manyLayers {
		t.Fatalf("%d layers", len(found.Layers))
	}
	image, _ := rootfsOf(t, store, found.ManifestDigest)
	want := []string{"shared", fmt.Sprintf("shared/newest of layer %d 755 1", manyLayers-1)}
	for at := range manyLayers {
		want = append(want, fmt.Sprintf("shared/of-%03d %d 755 1", at, at))
	}
	want = append(want, fmt.Sprintf("shared/passing-%03d gone 755 1", manyLayers-1))
	requireTree(t, mounted(t, image), want)
}
