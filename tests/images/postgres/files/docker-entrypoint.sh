#!/bin/sh
# Makes the database's files if there are none, then runs what it was asked to.
set -eu
[ -s "$PGDATA/PG_VERSION" ] || initdb --auth=trust --no-locale --encoding=UTF8 --no-sync
exec "$@"
