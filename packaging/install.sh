#!/bin/sh
# Installs yescale-dl for one user, on Linux and macOS: the program of a release, after its SHA-256 was compared with SHA256SUMS of
# that release. Nothing is installed without a checksum, or with another one. It needs no root, and replaces an older program in
# one step. Everything is in functions, so that a script that was cut in transfer does nothing.
set -eu

# The release job fills these in.
repository=
version=

usage() {
    cat <<'USAGE'
Installs yescale-dl.

    sh install.sh [OPTION...]

    --repository OWNER/NAME   the repository whose release is installed
    --version X.Y.Z           this version (default: that of this script, else the last one)
    --to FOLDER               where the program goes (default: ~/.local/bin)
    --from URL                a folder with the files of a release, as https://, file:// or a path
    --help                    this text

Beside a folder `bin`, the manual page and the completions for bash, zsh and fish go to `share`.
USAGE
}

fail() {
    printf 'install.sh: %s\n' "$*" >&2
    exit 1
}

# The name that releases give to this system.
target() {
    case $(uname -s) in
        Linux) system=unknown-linux-musl ;;
        Darwin) system=apple-darwin ;;
        *) fail "there is no program for $(uname -s) here; on Windows, use Scoop or the .zip of the release" ;;
    esac
    case $(uname -m) in
        x86_64 | amd64) machine=x86_64 ;;
        aarch64 | arm64) machine=aarch64 ;;
        *) fail "there is no program for $(uname -m) here; build it from source: cargo install --locked --path ." ;;
    esac
    # A shell that Rosetta translates says x86_64.
    if [ "$system$machine" = apple-darwinx86_64 ] && [ "$(sysctl -n sysctl.proc_translated 2>/dev/null || true)" = 1 ]; then
        machine=aarch64
    fi
    printf '%s-%s\n' "$machine" "$system"
}

# fetch URL FILE
fetch() {
    case $1 in
        https://*)
            # wget follows redirects to plain HTTP, and some builds of it check no certificate.
            command -v curl >/dev/null || fail "curl is needed"
            curl --proto '=https' --tlsv1.2 --fail --silent --show-error --location --output "$2" "$1"
            ;;
        *://*) [ "${1#file://}" != "$1" ] && cp -- "${1#file://}" "$2" ;;
        *) cp -- "$1" "$2" ;;
    esac || fail "can't get $1"
}

# sha256 FILE
sha256() {
    if command -v sha256sum >/dev/null; then
        sha256sum <"$1"
    elif command -v shasum >/dev/null; then
        shasum -a 256 <"$1"
    elif command -v openssl >/dev/null; then
        openssl dgst -sha256 -r <"$1"
    else
        fail "sha256sum, shasum or openssl is needed to check what is installed"
    fi | cut -d ' ' -f 1
}

# put FILE FOLDER NAME MODE: a file in its place, in one step.
put() {
    mkdir -p -- "$2" && cp -- "$1" "$2/.$3.$$" && chmod "$4" "$2/.$3.$$" && mv -f -- "$2/.$3.$$" "$2/$3"
}

main() {
    to=${HOME:?}/.local/bin
    from=
    while [ $# -gt 0 ]; do
        case $1 in
            --help | -h)
                usage
                exit 0
                ;;
            --repository | --version | --to | --from) [ $# -ge 2 ] || fail "$1 needs a value" ;;
            *) fail "unknown option $1; sh install.sh --help has all" ;;
        esac
        case $1 in
            --repository) repository=$2 ;;
            --version) version=${2#v} ;;
            --to) to=$2 ;;
            --from) from=${2%/} ;;
        esac
        shift 2
    done
    if [ -z "$from" ]; then
        [ -n "$repository" ] || fail "--repository OWNER/NAME is needed"
        if [ -n "$version" ]; then
            from=https://github.com/$repository/releases/download/v$version
        else
            from=https://github.com/$repository/releases/latest/download
        fi
    fi

    target=$(target)
    work=$(mktemp -d)
    trap 'rm -rf -- "$work"' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    fetch "$from/SHA256SUMS" "$work/SHA256SUMS"
    # One line has the archive of this system, and says its version.
    line=$(grep -E "^[0-9a-f]{64} [ *]yescale-dl-[0-9A-Za-z.+-]*-$target\.tar\.gz\$" "$work/SHA256SUMS") ||
        fail "SHA256SUMS has no checksum of a program for $target; nothing was installed"
    [ "$(printf '%s\n' "$line" | wc -l)" -eq 1 ] || fail "SHA256SUMS has several programs for $target; nothing was installed"
    expected=${line%% *}
    archive=${line#"$expected" ?}
    name=${archive%.tar.gz}
    if [ -n "$version" ] && [ "$name" != "yescale-dl-$version-$target" ]; then
        fail "SHA256SUMS is that of $name, not of version $version; nothing was installed"
    fi
    fetch "$from/$archive" "$work/$archive"
    actual=$(sha256 "$work/$archive")
    [ "$actual" = "$expected" ] ||
        fail "$archive has the SHA-256 $actual, but SHA256SUMS says $expected; nothing was installed"

    (cd "$work" && tar -xzf "$archive") || fail "can't unpack $archive"
    [ -f "$work/$name/yescale-dl" ] || fail "$archive has no program; nothing was installed"
    chmod 755 "$work/$name/yescale-dl"
    says=$("$work/$name/yescale-dl" --version) ||
        fail "the program does not run in $work; nothing was installed; if that folder forbids programs: TMPDIR=~/tmp sh install.sh"
    put "$work/$name/yescale-dl" "$to" yescale-dl 755 || fail "can't install into $to"
    (extras "$work/$name") || printf 'install.sh: the manual page and the completions are not all installed\n' >&2
    printf 'installed %s as %s\n' "$says" "$to/yescale-dl"
    case :$PATH: in
        *:"$to":*) ;;
        *)
            # The reader's shell fills in PATH, not this one.
            # shellcheck disable=SC2016
            printf 'Add the folder to your PATH, for example in ~/.profile:\n\n    export PATH="%s:$PATH"\n\n' "$to"
            ;;
    esac
}

# The manual page and the completions, where the shells look for them. The program works without.
extras() {
    case $to in
        */bin) share=${to%/bin}/share ;;
        *) return 0 ;;
    esac
    while read -r file folder name; do
        [ ! -f "$1/$file" ] || put "$1/$file" "$share/$folder" "$name" 644 || return 1
    done <<'FILES'
yescale-dl.1 man/man1 yescale-dl.1
completions/yescale-dl.bash bash-completion/completions yescale-dl
completions/_yescale-dl zsh/site-functions _yescale-dl
completions/yescale-dl.fish fish/vendor_completions.d yescale-dl.fish
FILES
}

main "$@"
