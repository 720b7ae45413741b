#!/usr/bin/env bash
# PgBouncer in transaction mode in front of $BEHIND, for one user whose password is known to it.
# TLS is required; the authority that signed its certificate is /pooler/authority.pem, made at the
# first start. Startup parameters that PgBouncer does not know are refused, as hosted ones do.
set -euo pipefail

if [[ ! -s authority.pem ]]; then
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 \
    -subj '/CN=Authority of the tests' -keyout authority.key -out authority.new \
    -addext keyUsage=critical,keyCertSign 2>/dev/null
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
    -subj '/CN=pooler' -keyout pooler.key -out pooler.csr 2>/dev/null
  openssl x509 -req -in pooler.csr -CA authority.new -CAkey authority.key -days 2 \
    -out pooler.pem 2>/dev/null -extfile <(
      printf 'subjectAltName=DNS:pooler,IP:127.0.0.1\nauthorityKeyIdentifier=keyid\n')
  mv authority.new authority.pem
fi
printf '"%s" "%s"\n' "$POOLER_USER" "$POOLER_PASSWORD" >users.txt
cat >pooler.ini <<EOF
[databases]
* = host=$BEHIND port=5432
[pgbouncer]
listen_addr = *
listen_port = 6432
auth_type = scram-sha-256
auth_file = /pooler/users.txt
pool_mode = transaction
default_pool_size = 5
max_client_conn = 200
server_login_retry = 1
client_tls_sslmode = require
client_tls_key_file = /pooler/pooler.key
client_tls_cert_file = /pooler/pooler.pem
EOF
exec pgbouncer --quiet pooler.ini
