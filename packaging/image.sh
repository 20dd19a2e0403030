#!/usr/bin/env bash
# Makes the image of a release for amd64 and arm64 from its archives, and pushes it as NAME:VERSION and NAME:latest.
#
#   REGISTRY_USER=… REGISTRY_TOKEN=… SOURCE=URL packaging/image.sh VERSION NAME FOLDER
#
# With DRY_RUN=1 it only prepares the files, in FOLDER/image. In a workflow it gives `name` and `digest` to the next step.
set -euo pipefail
version=$1 name=$2 folder=$3
here=$(cd "$(dirname "$0")" && pwd)
context=$folder/image

rm -rf "$context"
for pair in amd64:x86_64 arm64:aarch64; do
    archive=yescale-dl-$version-${pair#*:}-unknown-linux-musl
    mkdir -p "$context/${pair%:*}"
    tar -xzf "$folder/$archive.tar.gz" -C "$context/${pair%:*}" --strip-components=1 \
        "$archive/yescale-dl" "$archive/LICENSE" "$archive/THIRD-PARTY.txt"
done
cp "$here/Containerfile.release" "$context/Containerfile"
if [[ ${DRY_RUN-} == 1 ]]; then exit; fi

docker login --username "$REGISTRY_USER" --password-stdin "${name%%/*}" <<<"$REGISTRY_TOKEN"
# The default builder makes images for one architecture only.
docker buildx create --name release --driver docker-container --use
docker buildx build --platform linux/amd64,linux/arm64 --file "$context/Containerfile" --provenance=false \
    --label "org.opencontainers.image.source=$SOURCE" --label "org.opencontainers.image.version=$version" \
    --label "org.opencontainers.image.licenses=MIT" \
    --annotation "index:org.opencontainers.image.source=$SOURCE" \
    --tag "$name:$version" --tag "$name:latest" --metadata-file "$context/metadata.json" --push "$context"
digest=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["containerimage.digest"])' "$context/metadata.json")
echo "$name@$digest"
if [[ -n ${GITHUB_OUTPUT-} ]]; then
    printf 'name=%s\ndigest=%s\n' "$name" "$digest" >>"$GITHUB_OUTPUT"
fi
