package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/kuafu-rpc/kuafu/runtime/auth"
)

func (a *app) authCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "auth",
		Short: "Prepare what servers know clients by",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("there is no command auth %s; want auth hash-secret", args[0])
			}
			return nil
		},
		RunE: func(*cobra.Command, []string) error { return usagef("want auth hash-secret") },
	}
	cmd.AddCommand(a.hashSecretCommand())
	return cmd
}

func (a *app) hashSecretCommand() *cobra.Command {
	iterations := 0
	cmd := &cobra.Command{
		Use:   "hash-secret USER",
		Short: "Print a user's line for a server's file of secrets",
		Long: `hash-secret prints the line that lets a user log in to servers with server.WithSecrets. The line is not enough to log in,
but whoever has it can guess at the secret, and pose as the server. The secret is asked for, twice, and not shown; where
standard input is no terminal it is the one line there.`,
		Example: `  kuafu auth hash-secret ada >> secrets
  openssl rand -base64 24 | tee ada.password | kuafu auth hash-secret ada >> secrets`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef("want the name of one user; the secret is read from standard input")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			secret, err := a.newSecret(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			line, err := auth.HashSecret(args[0], secret, iterations)
			if err != nil {
				return usageError{err}
			}
			_, err = fmt.Fprintln(a.out, line)
			return err
		},
	}
	cmd.Flags().IntVar(&iterations, "iterations", 0, "how often the secret is hashed, which makes guessing dearer, and each login; 0 for 16384")
	return cmd
}

// newSecret returns a secret to be.
func (a *app) newSecret(ctx context.Context, user string) (string, error) {
	secret, err := a.ask(ctx, "New secret of "+user+": ")
	if errors.Is(err, errNoTerminal) {
		if secret, err = readPassword(a.in); err != nil {
			return "", usageError{fmt.Errorf("the secret on standard input: %w", err)}
		}
		return secret, nil
	}
	if err != nil {
		return "", err
	}
	again, err := a.ask(ctx, "Once more: ")
	if err == nil && again != secret {
		err = usagef("these were two different secrets")
	}
	return secret, err
}
