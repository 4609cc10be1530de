package oci

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// entry is an entry of a layer.
type entry struct {
	name    string
	kind    byte
	content string
	mode    int64
	uid     int
	xattrs  map[string]string
}

var modified = time.Unix(1_600_000_000, 123_456_789)

func tarOf(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, e := range entries {
		h := &tar.Header{Name: e.name, Typeflag: e.kind, Mode: e.mode, Uid: e.uid, Gid: e.uid, ModTime: modified, Format: tar.FormatPAX}
		if e.kind == 0 {
			h.Typeflag = tar.TypeReg
		}
		switch h.Typeflag {
		case tar.TypeReg:
			h.Size = int64(len(e.content))
		case tar.TypeSymlink, tar.TypeLink:
			h.Linkname = e.content
		}
		if h.Mode == 0 {
			h.Mode = 0o755
		}
		for key, value := range e.xattrs {
			if h.PAXRecords == nil {
				h.PAXRecords = map[string]string{}
			}
			h.PAXRecords["SCHILY.xattr."+key] = value
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			if _, err := io.WriteString(w, e.content); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// part is a blob and how a manifest describes it.
type part struct {
	MediaType string `json:"mediaType"`
	Digest    string `json:"digest"`
	Size      int    `json:"size"`
	content   []byte
	diffID    string
}

func partOf(media string, content []byte) part {
	return part{MediaType: media, Digest: digestOf(content), Size: len(content), content: content}
}

func digestOf(content []byte) string {
	sum := sha256.Sum256(content)
	return "sha256:" + hex.EncodeToString(sum[:])
}

func layerOf(t testing.TB, compression string, entries ...entry) part {
	t.Helper()
	plain := tarOf(t, entries...)
	layer := partOf("application/vnd.oci.image.layer.v1.tar"+compression, compressed(t, compression, plain))
	layer.diffID = digestOf(plain)
	return layer
}

func compressed(t testing.TB, compression string, plain []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	var w io.WriteCloser
	var err error
	switch compression {
	case "+gzip":
		w = gzip.NewWriter(&out)
	case "+zstd":
		w, err = zstd.NewWriter(&out)
	default:
		return plain
	}
	if err == nil {
		_, err = w.Write(plain)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// image is an image with all its parts.
type image struct {
	manifest part
	parts    []part
}

func imageOf(t testing.TB, arch string, layers ...part) image {
	t.Helper()
	diffIDs := []string{}
	for _, layer := range layers {
		diffIDs = append(diffIDs, layer.diffID)
	}
	config := partOf("application/vnd.oci.image.config.v1+json", jsonOf(t, map[string]any{
		"architecture": arch, "os": "linux", "created": "2020-01-02T03:04:05Z",
		"config": map[string]any{
			"Env": []string{"PATH=/bin", "A=b"}, "Cmd": []string{"sh"}, "User": "1000:1000", "WorkingDir": "/app",
			"ExposedPorts": map[string]any{"80/tcp": struct{}{}}, "Labels": map[string]string{"a": "b"}, "StopSignal": "SIGINT",
		},
		"rootfs": map[string]any{"type": "layers", "diff_ids": diffIDs},
	}))
	manifest := partOf("application/vnd.oci.image.manifest.v1+json", jsonOf(t, map[string]any{
		"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": config, "layers": layers,
	}))
	return image{manifest, append([]part{config}, layers...)}
}

func jsonOf(t testing.TB, value any) []byte {
	t.Helper()
	content, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// push puts an image into a registry.
func (i image) push(t testing.TB, url, repository, tag string) {
	t.Helper()
	for _, part := range i.parts {
		send(t, http.MethodPost, fmt.Sprintf("%s/v2/%s/blobs/uploads/?digest=%s", url, repository, part.Digest), part)
	}
	send(t, http.MethodPut, fmt.Sprintf("%s/v2/%s/manifests/%s", url, repository, tag), i.manifest)
}

func send(t testing.TB, method, url string, content part) {
	t.Helper()
	request, err := http.NewRequest(method, url, bytes.NewReader(content.content))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", content.MediaType)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode >= 300 {
		said, _ := io.ReadAll(response.Body)
		t.Fatalf("%s %s: %d %s", method, url, response.StatusCode, said)
	}
}
