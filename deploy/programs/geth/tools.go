//go:build tools

// Package tools names the program that is built from here.
package tools

import _ "github.com/ethereum/go-ethereum/cmd/geth"
