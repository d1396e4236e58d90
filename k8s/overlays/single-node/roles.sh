#!/bin/bash
# Run once, by the image's entrypoint, when the data folder is new. What a service may do there, `migrate` grants.
set -eu
for service in /run/roles/*; do
  name=linli_$(basename "$service")
  psql -qv ON_ERROR_STOP=1 -U postgres -d postgres -v "name=$name" -v "owner=${name}_owner" \
    -v "password=$(cat "$service/app")" -v "owners=$(cat "$service/owner")" <<'SQL'
CREATE ROLE :"name" LOGIN PASSWORD :'password';
CREATE ROLE :"owner" LOGIN PASSWORD :'owners';
CREATE DATABASE :"name" OWNER :"owner";
SQL
done
