package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
)

// dataFlags are where the values of a ConfigMap or Secret come from.
type dataFlags struct{ literals, files []string }

func (d *dataFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&d.literals, "from-literal", nil, "a value: KEY=VALUE; may be repeated")
	cmd.Flags().StringSliceVar(&d.files, "from-file", nil, "the content of a file: [KEY=]FILE, or of all files of a folder; may be repeated")
}

// read returns the values; kind is what they are for, in errors.
func (d *dataFlags) read(kind string) (map[string][]byte, error) {
	data := map[string][]byte{}
	put := func(key string, value []byte) error {
		if mistakes := validation.IsConfigMapKey(key); len(mistakes) > 0 {
			return fmt.Errorf("%q is not a valid key name for a %s: %s", key, kind, strings.Join(mistakes, ","))
		}
		if _, twice := data[key]; twice {
			return fmt.Errorf("cannot add key %q, another key by that name already exists", key)
		}
		data[key] = value
		return nil
	}
	for _, source := range d.files {
		if err := readSource(source, put); err != nil {
			return nil, err
		}
	}
	for _, literal := range d.literals {
		key, value, ok := strings.Cut(literal, "=")
		if !ok || key == "" {
			return nil, fmt.Errorf("invalid literal source %v, expected key=value", literal)
		}
		if err := put(key, []byte(value)); err != nil {
			return nil, err
		}
	}
	return data, nil
}

// readSource reads a file, or the regular files of a folder.
func readSource(source string, put func(key string, value []byte) error) error {
	key, name, named := strings.Cut(source, "=")
	if !named {
		key, name = filepath.Base(source), source
	}
	switch {
	case key == "":
		return fmt.Errorf("key name for file path %v missing", name)
	case name == "":
		return fmt.Errorf("file path for key name %v missing", key)
	}
	info, err := os.Stat(name)
	if err != nil {
		return fmt.Errorf("error reading %s: %w", name, err)
	}
	if !info.IsDir() {
		value, err := os.ReadFile(name)
		if err != nil {
			return fmt.Errorf("error reading %s: %w", name, err)
		}
		return put(key, value)
	}
	if named {
		return errors.New("cannot give a key name for a directory path")
	}
	entries, err := os.ReadDir(name)
	if err != nil {
		return fmt.Errorf("error listing files in %s: %w", name, err)
	}
	for _, e := range entries {
		if !e.Type().IsRegular() {
			continue
		}
		if err := readSource(e.Name()+"="+filepath.Join(name, e.Name()), put); err != nil {
			return err
		}
	}
	return nil
}

func newCreateConfigMap(a *app, o *createOptions) *cobra.Command {
	var d dataFlags
	cmd := &cobra.Command{
		Use: "configmap NAME [--from-literal=KEY=VALUE…] [--from-file=[KEY=]FILE…]", Aliases: []string{"cm"}, Short: "Create a ConfigMap",
		Example: "  peapod create configmap settings --from-literal=colour=blue --from-file=nginx.conf",
		Args:    oneName,
		RunE: func(cmd *cobra.Command, args []string) error {
			data, err := d.read("ConfigMap")
			if err != nil {
				return err
			}
			c := &corev1.ConfigMap{Data: map[string]string{}, BinaryData: map[string][]byte{}}
			for key, value := range data {
				if utf8.Valid(value) {
					c.Data[key] = string(value)
				} else {
					c.BinaryData[key] = value
				}
			}
			return a.createNamed(cmd.Context(), c, args[0], o)
		},
	}
	d.add(cmd)
	return cmd
}

func newCreateSecret(a *app, o *createOptions) *cobra.Command {
	cmd := &cobra.Command{
		Use: "secret", Short: "Create a Secret", Args: cobra.NoArgs, Example: "  peapod create secret generic key --from-file=id",
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	var d dataFlags
	var kind string
	generic := &cobra.Command{
		Use: "generic NAME [--type=TYPE] [--from-literal=KEY=VALUE…] [--from-file=[KEY=]FILE…]", Short: "Create a Secret of values and files",
		Example: "  peapod create secret generic key --from-file=id",
		Args:    oneName,
		RunE: func(cmd *cobra.Command, args []string) error {
			data, err := d.read("Secret")
			if err != nil {
				return err
			}
			return a.createNamed(cmd.Context(), &corev1.Secret{Type: corev1.SecretType(kind), Data: data}, args[0], o)
		},
	}
	d.add(generic)
	generic.Flags().StringVar(&kind, "type", "", "the type; Opaque if it is empty")
	cmd.AddCommand(generic)
	return cmd
}
