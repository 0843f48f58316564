#!/usr/bin/env bash
# Reads its arguments and variables as the official image does: makes the cluster at PGDATA on the first start
# (POSTGRES_USER, POSTGRES_PASSWORD, POSTGRES_DB, POSTGRES_HOST_AUTH_METHOD, POSTGRES_INITDB_ARGS), then becomes
# the server, as the user postgres.
set -euo pipefail

case "${1:-}" in
  -*) set -- postgres "$@" ;;
esac
[[ ${1:-} == postgres ]] || exec "$@"

if [[ $(id -u) == 0 ]]; then
  mkdir -p "$PGDATA"
  # Only what is not theirs yet: a chown of every file would copy a filled database into the container.
  find "$PGDATA" /var/run/postgresql \! -user postgres -exec chown postgres:postgres {} +
  chmod 0700 "$PGDATA"
  exec setpriv --reuid=postgres --regid=postgres --init-groups -- "$0" "$@"
fi

user=${POSTGRES_USER:-postgres}
database=${POSTGRES_DB:-$user}

ask() { PGPASSWORD="${POSTGRES_PASSWORD:-}" psql -v ON_ERROR_STOP=1 --no-psqlrc --username "$user" "$@"; }

run_own_scripts() {
  local script
  # shellcheck disable=SC1090  # the user's own scripts, known only when they run
  for script in /docker-entrypoint-initdb.d/*; do
    case "$script" in
      *.sh) if [[ -x $script ]]; then "$script"; else . "$script"; fi ;;
      *.sql) ask --no-password --dbname "$database" --file "$script" ;;
      *.sql.gz) gunzip -c "$script" | ask --no-password --dbname "$database" ;;
    esac
  done
}

if [[ ! -s $PGDATA/PG_VERSION ]]; then
  method=${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}
  if [[ -z ${POSTGRES_PASSWORD:-} && $method != trust ]]; then
    echo "Error: Database is uninitialized and superuser password is not specified." >&2
    echo "Set POSTGRES_PASSWORD, or POSTGRES_HOST_AUTH_METHOD=trust." >&2
    exit 1
  fi
  # shellcheck disable=SC2086  # several arguments may stand in the one variable
  initdb --username "$user" --pwfile <(printf '%s\n' "${POSTGRES_PASSWORD:-unset}") --encoding UTF8 \
    ${POSTGRES_INITDB_ARGS:-}
  printf '\nhost all all all %s\n' "$method" >>"$PGDATA/pg_hba.conf"
  pg_ctl --wait --options "-c listen_addresses='' -p 5432" start
  [[ $database == postgres ]] || ask --dbname postgres --command "CREATE DATABASE \"$database\""
  run_own_scripts
  pg_ctl --wait --mode fast stop
  echo 'PostgreSQL init process complete; ready for start up.'
fi
exec "$@"
