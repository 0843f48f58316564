#!/bin/sh
# Reads its arguments as the official image does: options or a .conf file go to redis-server, which runs as redis.
set -eu

case "${1:-}" in
  -* | *.conf) set -- redis-server "$@" ;;
esac

if [ "$1" = redis-server ]; then
  shift
  # The official build has protected mode off; Debian's has it on, and then answers only its own container.
  # A configuration file must stay the first argument.
  case "${1:-}" in
    *.conf) config=$1 && shift && set -- "$config" --protected-mode no "$@" ;;
    *) set -- --protected-mode no "$@" ;;
  esac
  set -- redis-server "$@"
  if [ "$(id -u)" = 0 ]; then
    chown redis:redis .
    exec setpriv --reuid=redis --regid=redis --init-groups -- "$@"
  fi
fi
exec "$@"
