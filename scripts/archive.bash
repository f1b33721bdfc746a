# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154 # "work", "mirror" and "cache" are the caller's
#
# Sourced by the scripts that get one package from Debian's archive: apt-get
# with a configuration of its own, so that the archive's signature and checksums
# are verified by the tool whose job that is, while the machine's own package
# lists are neither read nor changed.  The caller sets "work", a folder for
# apt's files, "cache" and "mirror", and has a function die.

# The archive that this machine itself installs from. Before the first "apt-get
# update" apt cannot tell an archive's origin; then the address has to do.
find_mirror() {
    {
        apt-get indextargets --format "\$(ORIGIN)/\$(LABEL) \$(REPO_URI)" |
            sort
        apt-get indextargets --no-release-info --format "? \$(REPO_URI)" |
            sort
    } 2>/dev/null | awk '
        $1 == "Debian/Debian" || ($1 == "?" && $2 ~ /\/debian\/*$/) {
            if (!found) { found = $2 }
        }
        END { print found }'
}

find_keyring() {
    local file
    for file in /usr/share/keyrings/debian-archive-keyring.{pgp,gpg}; do
        if [ -e "$file" ]; then
            echo "$file"
            return 0
        fi
    done
    die "Debian's archive keys are not installed; install the package" \
        "debian-archive-keyring."
}

apt() {
    apt-get -q \
        -o Dir::Etc::sourcelist="$work/sources.list" \
        -o Dir::Etc::sourceparts=/dev/null \
        -o Dir::State::lists="$work/lists" \
        -o Dir::Cache="$work/cache" \
        -o APT::Sandbox::User=root \
        -o Acquire::Languages=none \
        "$@" >&2
}

# A download in the cache folder counts only with its note beside it, which is
# written last: the checksum as it was when apt had verified the file.
# cached_file PATTERN prints the path of one that is whole.
cached_file() {
    local note
    # shellcheck disable=SC2086 # a pattern
    for note in "$cache"/$1.sha256; do
        [ -e "$note" ] || continue
        if (cd "$cache" && sha256sum --status -c "$(basename "$note")" 2>/dev/null)
        then
            echo "${note%.sha256}"
            return 0
        fi
        rm -f "$note" "${note%.sha256}"
    done
    return 1
}

# keep_file FOLDER FILE: moves a verified download into the cache folder.
keep_file() {
    mkdir -p "$cache"
    mv "$1/$2" "$cache/$2.part"
    mv "$cache/$2.part" "$cache/$2"
    (cd "$cache" && sha256sum "$2") >"$cache/$2.sha256.part"
    mv "$cache/$2.sha256.part" "$cache/$2.sha256"
}
