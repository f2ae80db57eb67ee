module suizheng.example/deploy/programs/geth

go 1.21

// Not linked with Go 1.23 or later: a debug page of this version reaches into the runtime.
toolchain go1.22.12

// The last version that seals Clique.
require github.com/ethereum/go-ethereum v1.13.15
