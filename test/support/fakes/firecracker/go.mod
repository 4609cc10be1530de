module banger.test/firecracker

go 1.26.0
