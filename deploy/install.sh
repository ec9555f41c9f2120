#!/usr/bin/env bash
# Installs Holdfast as a service of this machine, upgrades it, takes it away again.
#
#   install.sh                 install or upgrade, from the checkout that this script is in
#   install.sh --wheel FILE    ... from a wheel; requirements.lock lies beside this script, or one directory above
#   install.sh --rollback      back to the release before; again: forth
#   install.sh --uninstall     take the program away; configuration and data stay
#   install.sh --purge         take everything away, also configuration, data and the user
#
#   --lock FILE       another requirements.lock
#   --extras LIST     drivers' libraries, such as "modbus,serial"; by default all but the demo's
#   --add WHEEL       this too, such as a driver of your own, without its dependencies; also in all later releases
#   --packages DIR    take packages from this directory of wheels, and nothing from the network
#   --python PROGRAM  the Python that is to run it (3.11 or newer; default python3)
#   --no-restart      leave a running gateway as it is; the new release runs from its next start on
#   --force           also where the new release refuses the configuration that the old one takes; implies --no-restart
#   --root DIR        install below DIR, for an image: no user, no group, no owner, no systemctl
#
#   /opt/holdfast/releases/VERSION  a venv with exactly the locked packages, each verified by its hash
#   /opt/holdfast/current           the release that runs; `previous` is the one before it
#   /opt/holdfast/bin/holdfast      the command, of `current`
#   /opt/holdfast/added             wheels that were named with --add
#
# A release is made and tried beside the one that runs, and then switched to by renaming one link: what fails before
# that changes nothing, and a gateway that does not come up with it gets the old one back.
set -euo pipefail
umask 022

here=$(cd "$(dirname "$0")" && pwd)
GROUPS_OF_DEVICES="dialout i2c bluetooth" # serial ports, I2C buses, BlueZ: holdfast.service names them too
verb=install wheel="" lock="" extras="" add="" packages="" python=python3 root="" restart=yes force=no
work="" unfinished=""

give_up() {
    printf 'install.sh: %s\n' "$@" >&2
    exit 1
}

misused() {
    printf 'install.sh: %s; see install.sh --help\n' "$1" >&2
    exit 2
}

clean_up() {
    [ -z "$unfinished" ] || rm -rf "$unfinished"
    [ -z "$work" ] || rm -rf "$work"
}

understand() {
    while [ $# -gt 0 ]; do
        case "$1" in
        --wheel | --lock | --extras | --add | --packages | --python | --root)
            [ $# -gt 1 ] || misused "$1 needs a value"
            printf -v "${1#--}" %s "$2"
            shift
            ;;
        --rollback | --uninstall | --purge) verb=${1#--} ;;
        --no-restart) restart=no ;;
        --force) force=yes restart=no ;;
        --help | -h)
            sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0"
            exit 0
            ;;
        *) misused "$1 is not an option" ;;
        esac
        shift
    done
}

settle_places() {
    [ -z "$root" ] || { mkdir -p "$root" && root=$(cd "$root" && pwd); }
    base=$root/opt/holdfast etc=$root/etc/holdfast data=$root/var/lib/holdfast
    unit=$root/etc/systemd/system/holdfast.service command=$root/usr/local/bin/holdfast share=$root/usr/local/share
    config=$etc/gateway.toml
    [ -n "$root" ] || [ "$(id -u)" -eq 0 ] || give_up "this needs root: run it with sudo"
    mkdir -p "$base"
    exec 9>"$base/.lock"
    flock -n 9 || give_up "another install.sh is at work on $base; wait for it"
    work=$(mktemp -d)
    trap clean_up EXIT
}

# --- what is installed ------------------------------------------------------------------------------------------------

check_python() {
    command -v "$python" >/dev/null || give_up "$python is not here: apt-get install python3 python3-venv"
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        give_up "$python is $("$python" -V 2>&1), Holdfast needs 3.11 or newer: name one with --python PROGRAM"
    "$python" -c 'import ensurepip, venv' 2>/dev/null ||
        give_up "Python's venv is missing: apt-get install python3-venv"
}

find_lock() {
    [ -n "$lock" ] || for lock in "$here/requirements.lock" "$here/../requirements.lock"; do
        [ ! -f "$lock" ] || break
    done
    [ -f "$lock" ] || give_up "requirements.lock is not beside this script: name it with --lock FILE"
    if [ -n "$packages" ]; then
        [ -d "$packages" ] || give_up "--packages $packages is not a directory"
        PIP_NO_INDEX=1 PIP_FIND_LINKS=$(cd "$packages" && pwd)
        export PIP_NO_INDEX PIP_FIND_LINKS
    fi
}

# pip in the venv $1; its words are only shown when it fails.
pip_in() {
    local venv=$1
    shift
    "$venv/bin/python" -I -m pip --quiet --no-input --disable-pip-version-check "$@" >"$work/pip.log" 2>&1 || {
        tail -n 20 "$work/pip.log" >&2
        give_up "pip failed (above); without a network, name a directory of wheels with --packages DIR"
    }
}

# Into the venv $1 what $2 asks for, in exactly the locked versions and only with their hashes. pip says which packages
# those are (the lock has those of the developers too); what it then installs is taken from the lock alone.
install_locked() {
    local venv=$1 wanted=$2
    sed -n 's/^\([A-Za-z0-9].*[^ \\]\) *\\*$/\1/p' "$lock" >"$work/constraints.txt"
    pip_in "$venv" install --dry-run --ignore-installed --only-binary :all: --report "$work/report.json" \
        --constraint "$work/constraints.txt" "$wanted"
    "$venv/bin/python" -I - "$work/report.json" "$lock" >"$work/locked.txt" <<'PYTHON'
import json, re, sys
plain = lambda name: re.sub(r"[-_.]+", "-", name).lower()
report, lock = json.load(open(sys.argv[1])), open(sys.argv[2]).read()
wanted = {plain(each["metadata"]["name"]) for each in report["install"] if not each["is_direct"]}
entries = re.split(r"\n(?=[A-Za-z0-9])", lock.strip())
locked = [entry for entry in entries if plain(re.match(r"[\w.-]*", entry)[0]) in wanted]
missing = wanted - {plain(re.match(r"[\w.-]*", entry)[0]) for entry in locked}
sys.exit(f"install.sh: not in requirements.lock: {', '.join(sorted(missing))}" if missing else print("\n".join(locked)))
PYTHON
    [ ! -s "$work/locked.txt" ] ||
        pip_in "$venv" install --require-hashes --no-deps --only-binary :all: --requirement "$work/locked.txt"
}

find_wheel() {
    local about
    if [ -n "$wheel" ]; then
        [ -f "$wheel" ] || give_up "there is no file $wheel: name a wheel with --wheel FILE"
        wheel=$(cd "$(dirname "$wheel")" && pwd)/$(basename "$wheel")
    else
        [ -f "$here/../pyproject.toml" ] || give_up "this script is in no checkout: name a wheel with --wheel FILE"
        echo "building a wheel from $(cd "$here/.." && pwd)"
        "$python" -m venv "$work/build"
        install_locked "$work/build" hatchling
        pip_in "$work/build" wheel --no-deps --no-build-isolation --wheel-dir "$work" "$(cd "$here/.." && pwd)"
        wheel=$(echo "$work"/holdfast-*.whl)
    fi
    about=$("$python" -I - "$wheel" <<'PYTHON' 2>/dev/null
import email, sys, zipfile
wheel = zipfile.ZipFile(sys.argv[1])
about = email.message_from_bytes(wheel.read(next(n for n in wheel.namelist() if n.endswith(".dist-info/METADATA"))))
extras = [name for name in about.get_all("Provides-Extra", []) if name not in ("all", "demo")]
print(about["Version"] if about["Name"] == "holdfast" else "", ",".join(extras))
PYTHON
    ) || about=""
    read -r version offered <<<"$about" || true
    [ -n "$version" ] || give_up "$wheel is not a wheel of Holdfast"
    [ -n "$extras" ] || extras=$offered
}

# --- a release --------------------------------------------------------------------------------------------------------

release_of() { # the name that the link $1 leads to, "" for none
    local target
    target=$(readlink "$base/$1" || true)
    echo "${target#releases/}"
}

added() { # the wheels that every release has besides
    local name=${add##*/}
    find "$base/added" -name '*.whl' ! -name "${name%%-*}-*" 2>/dev/null | sort
    [ -z "$add" ] || echo "$add"
}

keep_added() { # for the next release; an older version of it makes room
    [ -n "$add" ] || return 0
    local name=${add##*/}
    mkdir -p "$base/added"
    cp "$add" "$base/added/.new"
    rm -f "$base/added/${name%%-*}"-*
    mv "$base/added/.new" "$base/added/$name"
}

make_release() {
    local number=2
    release=$version
    while [ -e "$base/releases/$release" ]; do
        release=$version-$number number=$((number + 1))
    done
    echo "installing Holdfast $version into $base/releases/$release"
    mkdir -p "$base/releases"
    unfinished=$base/releases/$release
    "$python" -m venv "$unfinished"
    install_locked "$unfinished" "$wheel${extras:+[$extras]}"
    pip_in "$unfinished" install --no-deps "$wheel"
    # shellcheck disable=SC2046  # a list of files
    [ -z "$(added)" ] || pip_in "$unfinished" install --no-deps $(added)
    pip_in "$unfinished" check
    write_launcher "$unfinished/bin/holdfast"
    cp "$here/holdfast.service" "$unfinished/"
    try_release "$unfinished"
    echo "$identity" >"$unfinished/holdfast-release"
}

# As pip writes one, but it finds its Python beside itself: so a release may be moved with all above it.
write_launcher() {
    rm -f "$1"
    cat >"$1" <<'LAUNCHER'
#!/bin/sh
'''exec' "$(dirname "$(readlink -f "$0")")/python" -P "$0" "$@"
'''
import sys

from supervisors.cli import main

sys.exit(main())
LAUNCHER
    chmod 755 "$1"
}

try_release() {
    mkdir -p "$work/try"
    if ! { "$1/bin/holdfast" init --force "$work/try/gateway.toml" && "$1/bin/holdfast" check "$work/try/gateway.toml"; } \
        >"$work/try.log" 2>&1; then
        tail -n 20 "$work/try.log" >&2
        give_up "the new release does not work (above); nothing was changed"
    fi
    [ -f "$config" ] || return 0
    "$1/bin/holdfast" check "$config" >"$work/try.log" 2>&1 || {
        cat "$work/try.log" >&2
        [ "$force" = no ] && [ -e "$base/current" ] && "$base/current/bin/holdfast" check "$config" >/dev/null 2>&1 &&
            give_up "the new release refuses the configuration that the old one takes (above); nothing was changed:" \
                "mend $config in a way that suits both, or install with --force and mend it then"
        echo "install.sh: $config has mistakes (above): mend them before the gateway is started again" >&2
        restart=no # what runs, runs with what it had read
    }
}

use_release() { # the one named $1, from its next start on
    point current "$1"
    install -D -m 644 "$base/current/holdfast.service" "$unit"
    service daemon-reload
}

point() { # the link $1 to the release $2, in one step
    ln -sfn "releases/$2" "$base/.$1.new"
    mv -T "$base/.$1.new" "$base/$1"
}

forget_old_releases() {
    local each
    for each in "$base"/releases/*; do
        case "$(basename "$each")" in
        "$(release_of current)" | "$(release_of previous)" | "$(running_release)") ;;
        *) rm -rf "$each" ;;
        esac
    done
}

running_release() { # its Python lies in it; after --no-restart it is not the current one
    local pid
    runs || return 0
    pid=$(systemctl show --property MainPID --value holdfast)
    tr '\0' '\n' <"/proc/$pid/cmdline" 2>/dev/null | sed -n "1s|^$base/releases/\([^/]*\)/.*|\1|p"
}

# --- the machine around it --------------------------------------------------------------------------------------------

make_user() {
    local group
    for group in $GROUPS_OF_DEVICES holdfast; do
        getent group "$group" >/dev/null || groupadd --system "$group"
    done
    getent passwd holdfast >/dev/null ||
        useradd --system --gid holdfast --home-dir /var/lib/holdfast --no-create-home --shell /usr/sbin/nologin holdfast
    usermod --append --groups "${GROUPS_OF_DEVICES// /,}" holdfast
}

make_directories() {
    install -d -m 750 "$etc" "$data"
    if [ ! -e "$config" ]; then
        (cd "$work" && rm -f gateway.toml && "$base/current/bin/holdfast" init gateway.toml >/dev/null)
        sed "s|\"$work/|\"/var/lib/holdfast/|" "$work/gateway.toml" >"$work/gateway.starter"
        install -m 640 "$work/gateway.starter" "$config"
        echo "wrote $config, a gateway that runs as it is: make it yours"
    fi
    [ -n "$root" ] || { chown root:holdfast "$etc" "$config" && chown holdfast:holdfast "$data"; }
}

make_commands() {
    install -d "$base/bin" "$(dirname "$command")"
    ln -sfn ../current/bin/holdfast "$base/bin/holdfast" # not all of current/bin: a Python needs its venv above it
    if [ -e "$command" ] && [ ! -L "$command" ]; then
        echo "install.sh: $command is somebody else's and stays; call /opt/holdfast/bin/holdfast" >&2
    else
        ln -sfn ../../../opt/holdfast/bin/holdfast "$command"
    fi
    complete_in bash "$share/bash-completion/completions/holdfast"
    complete_in zsh "$share/zsh/site-functions/_holdfast"
    complete_in fish "$share/fish/vendor_completions.d/holdfast.fish"
}

complete_in() { # a release that knows no completion has none
    "$base/bin/holdfast" completion "$1" >"$work/completion" 2>/dev/null || return 0
    install -D -m 644 "$work/completion" "$2"
}

service() { # systemctl, where there is a systemd to hear it
    [ -z "$root" ] || return 0
    [ -d /run/systemd/system ] || [ "$1" = enable ] || [ "$1" = disable ] || return 0
    systemctl "$@"
}

runs() {
    [ -z "$root" ] && [ -d /run/systemd/system ] && systemctl is-active --quiet holdfast
}

# Run what `current` is now; when it does not come up, the release $1 again.
restart_or_return_to() {
    systemctl restart holdfast && return
    journalctl --unit holdfast --lines 20 --no-pager >&2 || true
    [ -n "$1" ] || give_up "the gateway does not start (above)"
    use_release "$1"
    forget_old_releases
    systemctl restart holdfast || give_up "neither the new release nor the old one starts (above)"
    give_up "the gateway does not start with the new release (above): $1 runs again"
}

# --- the verbs --------------------------------------------------------------------------------------------------------

do_install() {
    local old new=""
    check_python
    find_lock
    find_wheel
    old=$(release_of current)
    if [ -n "$add" ]; then
        [ -f "$add" ] || give_up "there is no file $add: name a wheel with --add FILE"
    fi
    # shellcheck disable=SC2046  # a list of files
    identity="$(cat "$wheel" "$lock" "$here/holdfast.service" $(added) | sha256sum | cut -c1-64) $extras $("$python" -V)"
    if [ -n "$old" ] && [ "$(cat "$base/current/holdfast-release")" = "$identity" ]; then
        echo "Holdfast $version is installed already ($base/releases/$old)"
    else
        make_release
        new=$release
    fi
    [ -n "$root" ] || make_user
    if [ -n "$new" ]; then
        use_release "$new"
        unfinished=""
        keep_added
    fi
    make_directories
    make_commands
    service enable --quiet holdfast
    if [ -n "$new" ]; then
        if [ "$restart" = yes ] && runs; then restart_or_return_to "$old"; fi
        [ -z "$old" ] || point previous "$old"
        forget_old_releases
    fi
    runs || echo "installed; look at $config, then: systemctl start holdfast"
}

do_rollback() {
    local current previous
    current=$(release_of current) previous=$(release_of previous)
    if [ -z "$previous" ] || [ ! -d "$base/releases/$previous" ]; then give_up "there is no release before this one"; fi
    use_release "$previous"
    if [ "$restart" = yes ] && runs; then restart_or_return_to "$current"; fi
    point previous "$current"
    echo "Holdfast is $previous now; $current is kept"
}

do_uninstall() {
    [ ! -e "$unit" ] || service disable --quiet --now holdfast || give_up "the service could not be stopped"
    rm -f "$unit" "$share/bash-completion/completions/holdfast" "$share/zsh/site-functions/_holdfast" \
        "$share/fish/vendor_completions.d/holdfast.fish"
    [ ! -L "$command" ] || rm "$command"
    rm -rf "$base"
    service daemon-reload
    [ "$verb" = purge ] || echo "Holdfast is gone; kept: $etc, $data and the user holdfast (install.sh --purge)"
}

do_purge() {
    do_uninstall
    rm -rf "$etc" "$data" "$unit.d"
    if [ -z "$root" ]; then
        ! getent passwd holdfast >/dev/null || userdel holdfast
        ! getent group holdfast >/dev/null || groupdel holdfast
    fi
    echo "Holdfast is gone, with its configuration and its data"
}

understand "$@"
settle_places
"do_$verb"
