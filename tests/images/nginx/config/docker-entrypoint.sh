#!/bin/sh
# Prepares nginx by the scripts in /docker-entrypoint.d, then becomes the command. Any other command runs unprepared.
set -e

if [ "$1" = nginx ]; then
    for script in /docker-entrypoint.d/*.sh; do
        [ -x "$script" ] || continue
        [ -n "$NGINX_ENTRYPOINT_QUIET_LOGS" ] || echo "$0: running $script"
        "$script"
    done
fi
exec "$@"
