module banger.dev/platformprogram

go 1.26.0
