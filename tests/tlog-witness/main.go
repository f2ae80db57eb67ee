// Command tlog-witness reads and writes cosigned checkpoints with libraries by others.
//
//	tlog-witness open LOG_VKEY WITNESS_VKEY ... < NOTE    opens the note; prints one "name seconds" for each witness
//	tlog-witness cosign LOG_VKEY NAME < NOTE              a fresh witness cosigns; prints its vkey, then the note
package main

import (
	"crypto/rand"
	"fmt"
	"io"
	"log"
	"os"

	cosignature "github.com/transparency-dev/formats/note"
	"golang.org/x/mod/sumdb/note"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) < 4 {
		log.Fatal("usage: tlog-witness open|cosign LOG_VKEY WITNESS_VKEY...|NAME < NOTE")
	}
	data, err := io.ReadAll(os.Stdin)
	if err != nil {
		log.Fatal(err)
	}
	logKey, err := note.NewVerifier(os.Args[2])
	if err != nil {
		log.Fatalf("log key: %v", err)
	}
	switch os.Args[1] {
	case "open":
		err = open(data, logKey, os.Args[3:])
	case "cosign":
		err = cosign(data, logKey, os.Args[3])
	default:
		err = fmt.Errorf("no such command: %s", os.Args[1])
	}
	if err != nil {
		log.Fatal(err)
	}
}

func open(data []byte, logKey note.Verifier, vkeys []string) error {
	verifiers := []note.Verifier{logKey}
	for _, vkey := range vkeys {
		verifier, err := cosignature.NewVerifierForCosignatureV1(vkey)
		if err != nil {
			return fmt.Errorf("witness key: %w", err)
		}
		verifiers = append(verifiers, verifier)
	}
	opened, err := note.Open(data, note.VerifierList(verifiers...))
	if err != nil {
		return err
	}
	if len(opened.UnverifiedSigs) > 0 || opened.Sigs[0].Hash != logKey.KeyHash() {
		return fmt.Errorf("%d lines by others, first line by %s", len(opened.UnverifiedSigs), opened.Sigs[0].Name)
	}
	for _, signature := range opened.Sigs[1:] {
		at, err := cosignature.CoSigV1Timestamp(signature)
		if err != nil {
			return err
		}
		fmt.Printf("%s %d\n", signature.Name, at.Unix())
	}
	return nil
}

func cosign(data []byte, logKey note.Verifier, name string) error {
	opened, err := note.Open(data, note.VerifierList(logKey))
	if err != nil {
		return err
	}
	secret, public, err := note.GenerateKey(rand.Reader, name)
	if err != nil {
		return err
	}
	signer, err := cosignature.NewSignerForCosignatureV1(secret)
	if err != nil {
		return err
	}
	vkey, err := cosignature.VKeyToCosignatureV1(public)
	if err != nil {
		return err
	}
	signed, err := note.Sign(opened, signer)
	if err != nil {
		return err
	}
	_, err = fmt.Printf("%s\n%s", vkey, signed)
	return err
}
