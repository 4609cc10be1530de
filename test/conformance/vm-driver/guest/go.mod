module banger.dev/testguest

go 1.26.0
