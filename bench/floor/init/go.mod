module banger.dev/bench/init

go 1.26.0
