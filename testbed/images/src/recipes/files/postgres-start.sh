#!/bin/sh
# Starts PostgreSQL on $PGDATA; makes a database cluster there first when there is none.
set -eu

if [ ! -s "$PGDATA/PG_VERSION" ]; then
    if [ -z "${POSTGRES_PASSWORD:-}" ]; then
        echo "set POSTGRES_PASSWORD: $PGDATA holds no database cluster yet" >&2
        exit 1
    fi
    # Made aside and renamed: a start that was cut short leaves nothing that looks complete.
    fresh="$PGDATA.fresh"
    rm -rf "$fresh"
    mkdir -m 0700 "$fresh"
    secret="/tmp/secret.$$"
    (umask 077 && printf '%s\n' "$POSTGRES_PASSWORD" > "$secret")
    initdb --pgdata="$fresh" --username=postgres --pwfile="$secret" \
        --encoding=UTF8 --locale=C.UTF-8 --auth-local=trust --auth-host=scram-sha-256 --data-checksums
    rm -f "$secret"
    echo "host all all all scram-sha-256" >> "$fresh/pg_hba.conf"
    if [ -n "${POSTGRES_DB:-}" ] && [ "$POSTGRES_DB" != postgres ]; then
        printf 'CREATE DATABASE "%s";\n' "$POSTGRES_DB" | postgres --single -D "$fresh" postgres > /dev/null
    fi
    mv "$fresh" "$PGDATA"
fi

# A volume's fsGroup widens the modes at every mount; the server insists on narrow ones.
chmod 0700 "$PGDATA"

exec postgres -D "$PGDATA" -c listen_addresses='*' -c unix_socket_directories=/var/run/postgresql "$@"
