#!/bin/sh
# Runs the scripts beside it, then becomes the command.
set -e
for script in /docker-entrypoint.d/*.sh; do
    "$script"
done
exec "$@"
