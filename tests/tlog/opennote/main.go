// Command opennote opens signed notes with golang.org/x/mod/sumdb/note, the reference implementation of the format.
//
//	opennote KEY NOTE
//
// KEY is a verifier key in the text form of that package, NOTE a file. It prints the signed text, then one line for
// every signature that was verified; it fails unless the key signed the note.
package main

import (
	"fmt"
	"os"

	"golang.org/x/mod/sumdb/note"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	if len(arguments) != 2 {
		return fmt.Errorf("usage: opennote KEY NOTE")
	}
	verifier, err := note.NewVerifier(arguments[0])
	if err != nil {
		return err
	}
	data, err := os.ReadFile(arguments[1])
	if err != nil {
		return err
	}
	opened, err := note.Open(data, note.VerifierList(verifier))
	if err != nil {
		return err
	}
	fmt.Print(opened.Text)
	for _, signature := range opened.Sigs {
		fmt.Printf("%s+%08x\n", signature.Name, signature.Hash)
	}
	return nil
}
