module banger.dev/hostilevmm

go 1.26.0
