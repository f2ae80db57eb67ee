module suizheng.example/deploy/programs/kaia

go 1.22.1

toolchain go1.22.12

require github.com/kaiachain/kaia v1.0.3

// The same source under the address where it can still be had.
replace inet.af/netaddr => github.com/inetaf/netaddr v0.0.0-20220811202034-502d2d690317
