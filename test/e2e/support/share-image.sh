# share-image.sh STORE COPY UID: gives a user the default image of another user's store, for VMs of its own.
# Its files are links, because they are large and are only read; they stay the other user's.
set -euo pipefail
store=$1 copy=$2 uid=$3

image=$(readlink -f "$store/images/debian-bookworm")
kernel=$(sed -n 's/^ *"kernelName": "\([^"]*\)".*/\1/p' "$image/manifest.json")
mkdir -p "$copy/images/.blobs" "$copy/kernels"
for folder in "$image" "$store/kernels/$kernel"; do
  to="$copy/kernels"
  if [ "$folder" = "$image" ]; then to="$copy/images/.blobs"; fi
  # On another file system, they are copied.
  cp -a --link "$folder" "$to/" 2>/dev/null || cp -a --sparse=always "$folder" "$to/"
  rm -rf "$to/${folder##*/}/holders"
done
ln -s ".blobs/${image##*/}" "$copy/images/debian-bookworm"
# What only its owner may read is copied: earlier versions gave a kernel's lists the mode of their umask.
find "$copy" -type f ! -perm -o=r | while read -r file; do
  cp --sparse=always "$file" "$file.copy" && chmod a+r "$file.copy" && mv "$file.copy" "$file"
done
find "$copy" \( -type d -o -type l \) -exec chown -h "$uid:$uid" {} +
