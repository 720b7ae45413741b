#!/usr/bin/env bash
# What the public image's entrypoint does with the same variables: POSTGRES_USER, _PASSWORD,
# _DB, _INITDB_ARGS, _HOST_AUTH_METHOD (the first four also as …_FILE), PGDATA, and the scripts
# of /docker-entrypoint-initdb.d. An existing database is started as it is.
set -euo pipefail

# value_of NAME DEFAULT: the variable, or the content of the file that NAME_FILE names.
value_of() {
  local file_variable=${1}_FILE
  if [[ -n ${!1:-} && -n ${!file_variable:-} ]]; then
    echo "error: both $1 and $file_variable are set (but are exclusive)" >&2
    exit 1
  fi
  if [[ -n ${!file_variable:-} ]]; then
    cat "${!file_variable}"
  else
    printf '%s' "${!1:-$2}"
  fi
}

run_scripts() {
  local script
  # shellcheck disable=SC1090
  for script in /docker-entrypoint-initdb.d/*; do
    case $script in
      *.sh) if [[ -x $script ]]; then "$script"; else . "$script"; fi ;;
      *.sql) "${psql[@]}" --dbname "$database" --file "$script" ;;
      *.sql.gz) gunzip -c "$script" | "${psql[@]}" --dbname "$database" ;;
    esac
  done
}

create_database() {
  local user password database method
  user=$(value_of POSTGRES_USER postgres)
  password=$(value_of POSTGRES_PASSWORD '')
  database=$(value_of POSTGRES_DB "$user")
  method=${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}
  if [[ -z $password && $method != trust ]]; then
    echo 'Error: Database is uninitialized and superuser password is not specified.' \
      'Set POSTGRES_PASSWORD, POSTGRES_PASSWORD_FILE or POSTGRES_HOST_AUTH_METHOD=trust.' >&2
    exit 1
  fi

  # A file descriptor, so that the password is in no argument list and on no disk.
  # shellcheck disable=SC2046
  initdb --username="$user" --pwfile=<(printf '%s\n' "${password:-unused}") \
    $(value_of POSTGRES_INITDB_ARGS '')
  printf '\nhost all all all %s\n' "$method" >>"$PGDATA/pg_hba.conf"

  # On the socket only: nobody can connect over the network before everything is there.
  PGUSER=$user pg_ctl -D "$PGDATA" -o "-c listen_addresses='' -p 5432" -w start
  export PGPASSWORD=$password
  local psql=(psql -v ON_ERROR_STOP=1 --no-psqlrc --username "$user" --no-password)
  if [[ $database != postgres ]]; then
    "${psql[@]}" --dbname postgres --set db="$database" <<<'CREATE DATABASE :"db";'
  fi
  run_scripts
  unset PGPASSWORD
  PGUSER=$user pg_ctl -D "$PGDATA" -m fast -w stop
  printf '\nPostgreSQL init process complete; ready for start up.\n\n'
}

[[ ${1:-} == -* ]] && set -- postgres "$@"
if [[ ${1:-} == postgres ]]; then
  if [[ $(id -u) == 0 ]]; then
    mkdir -p "$PGDATA"
    chown -R postgres:postgres "$PGDATA" /var/run/postgresql
    chmod 700 "$PGDATA"
    # The secrets of root are read before root is given up.
    for name in POSTGRES_USER POSTGRES_PASSWORD POSTGRES_DB; do
      file=${name}_FILE
      if [[ -n ${!file:-} ]]; then
        value=$(value_of "$name" '')
        export "$name=$value"
        unset "$file"
      fi
    done
    exec setpriv --reuid=postgres --regid=postgres --init-groups "$0" "$@"
  fi
  mkdir -p "$PGDATA"
  chmod 700 "$PGDATA" || :
  if [[ -s $PGDATA/PG_VERSION ]]; then
    printf '\nPostgreSQL Database directory appears to contain a database; Skipping initialization\n\n'
  else
    create_database
  fi
  # The server needs none of these, and its environment can be read by its superuser.
  unset POSTGRES_PASSWORD POSTGRES_PASSWORD_FILE
fi
exec "$@"
