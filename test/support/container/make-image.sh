# Makes the container image "hello", which serves a page on port 80. Tests reach no registry, so its files are
# those of the guest that this runs in, and serve-hello.pl of its home folder.
set -e
dpkg -L perl-base libc6 libcrypt1 | while read -r path; do [ ! -f "$path" ] || echo "$path"; done >files
tar -C / -c -T files -C /root serve-hello.pl | docker import --change 'CMD ["perl", "/serve-hello.pl"]' - hello
