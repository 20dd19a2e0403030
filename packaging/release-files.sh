#!/usr/bin/env bash
# Makes the files of a release that install its archives: install.sh, the Homebrew formula and the Scoop manifest.
#
#   packaging/release-files.sh VERSION OWNER/NAME FOLDER
#
# FOLDER has the archives and their SHA256SUMS; the files go there, too. A missing archive is an error.
set -euo pipefail
version=$1 repository=$2 folder=$3
here=$(cd "$(dirname "$0")" && pwd)
cd "$folder"
description='Archives what you generate through YEScale, with checksums and a manifest'
url="https://github.com/$repository/releases/download/v$version"

archive() { echo "yescale-dl-$version-$1"; }

# sum FILE: its checksum, which SHA256SUMS must have once.
sum() {
    local found
    found=$(awk -v name="$1" '$2 == name || $2 == "*" name { print $1 }' SHA256SUMS)
    if ! [[ $found =~ ^[0-9a-f]{64}$ ]]; then
        echo "SHA256SUMS does not have $1 once" >&2
        return 1
    fi
    echo "$found"
}

# formula_source TARGET: the lines of the formula for one system.
formula_source() {
    local file checksum
    file=$(archive "$1").tar.gz
    checksum=$(sum "$file") || return 1
    printf '      url "%s/%s"\n      sha256 "%s"\n' "$url" "$file" "$checksum"
}

# A failure inside a here-document would go unnoticed.
mac_arm=$(formula_source aarch64-apple-darwin)
mac_intel=$(formula_source x86_64-apple-darwin)
linux_arm=$(formula_source aarch64-unknown-linux-musl)
linux_intel=$(formula_source x86_64-unknown-linux-musl)
windows=$(archive x86_64-pc-windows-msvc)
windows_sum=$(sum "$windows.zip")

cat >yescale-dl.rb <<RUBY
class YescaleDl < Formula
  desc "$description"
  homepage "https://github.com/$repository"
  version "$version"
  license "MIT"

  on_macos do
    on_arm do
$mac_arm
    end
    on_intel do
$mac_intel
    end
  end

  on_linux do
    on_arm do
$linux_arm
    end
    on_intel do
$linux_intel
    end
  end

  def install
    bin.install "yescale-dl"
    man1.install "yescale-dl.1"
    bash_completion.install "completions/yescale-dl.bash" => "yescale-dl"
    zsh_completion.install "completions/_yescale-dl"
    fish_completion.install "completions/yescale-dl.fish"
    doc.install "README.md", "CHANGELOG.md", "THIRD-PARTY.txt"
  end

  test do
    assert_match version.to_s, shell_output("#{bin}/yescale-dl --version")
  end
end
RUBY

cat >yescale-dl.json <<JSON
{
    "version": "$version",
    "description": "$description",
    "homepage": "https://github.com/$repository",
    "license": "MIT",
    "architecture": {
        "64bit": {
            "url": "$url/$windows.zip",
            "hash": "$windows_sum",
            "extract_dir": "$windows"
        }
    },
    "bin": "yescale-dl.exe",
    "checkver": "github",
    "autoupdate": {
        "architecture": {
            "64bit": {
                "url": "https://github.com/$repository/releases/download/v\$version/yescale-dl-\$version-x86_64-pc-windows-msvc.zip",
                "extract_dir": "yescale-dl-\$version-x86_64-pc-windows-msvc"
            }
        },
        "hash": {
            "url": "\$baseurl/SHA256SUMS"
        }
    }
}
JSON

sed -e "s|^repository=\$|repository=$repository|" -e "s|^version=\$|version=$version|" "$here/install.sh" >install.sh
chmod 755 install.sh
filled=$(grep -c -e "^repository=$repository\$" -e "^version=$version\$" install.sh)
[ "$filled" = 2 ] || { echo "install.sh has no place for repository and version" >&2; exit 1; }
