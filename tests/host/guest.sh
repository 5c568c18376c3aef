#!/usr/bin/env bash
# What is tested inside the emulated Debian 12 machine; scripts/test-host starts it. One line a test on
# standard output: `ok NAME` or `not ok NAME: why`, and `done` at the end. The tests build on each other,
# since everything is about twenty times slower here; the first failure ends the run.
set -Eeuo pipefail
kiste=/mnt/kiste

# A failing command anywhere ends the test, with its text as the reason.
trap 'echo "line $LINENO: $BASH_COMMAND"' ERR

expect() { [ "$1" = "$2" ] || { echo "got \"$1\", wanted \"$2\""; return 1; }; }
contains() { [[ $1 == *"$2"* ]] || { echo "no \"$2\" in \"$1\""; return 1; }; }
inside() { "$kiste" exec box -- "$@"; }
status() { "$kiste" status box --json | sed -n 's/.*"status": "\(.*\)".*/\1/p'; }
group() { find /sys/fs/cgroup -type d -name 100; }
value() { cat "$(group)/$1"; }
booted() { expect "$(boot)" running && expect "$(inside systemctl --failed --no-legend --plain)" ''; }
serve() {
    systemctl start kiste
    until "$kiste" list >/dev/null 2>&1; do systemctl is-active -q kiste; done
}
boot() { until inside systemctl is-system-running --wait 2>/dev/null | grep -E 'running|degraded|maintenance'; do :; done; }

t01_doctor_says_pure_v2() {
    expect "$(uname -r | cut -d. -f1,2)" 6.1
    expect "$(stat -fc %T /sys/fs/cgroup)" cgroup2fs
    contains "$("$kiste" doctor)" 'layout v2'
}

t02_serve_runs_as_a_unit() {
    cat >/run/systemd/system/kiste.service <<UNIT
[Service]
Type=exec
ExecStart=$kiste serve
UNIT
    systemctl daemon-reload
    serve
    expect "$(systemctl show -P Delegate kiste0-containers)" yes
}

t03_template_is_imported() { "$kiste" template import /mnt/debian.tar.zst --name debian; }

t04_debian_boots_to_running() {
    "$kiste" create 100 debian --name box --memory 128 --swap 0 --cpulimit 1.5 --cpuunits 200 --pids 60
    # For t10: a disk's node, as a hostile image or a slip of an admin could bring it.
    mknod /var/lib/kiste/containers/100/rw/upper/disk b 254 0
    chmod 666 /var/lib/kiste/containers/100/rw/upper/disk
    "$kiste" start box
    booted
    expect "$(status)" running
    expect "$(group)" /sys/fs/cgroup/kiste0-containers.service/100
}

t05_limits_stand_in_the_cgroup() {
    expect "$(value memory.max)" $((128 << 20))
    expect "$(value memory.swap.max)" 0
    expect "$(value cpu.max)" '150000 100000'
    expect "$(value cpu.weight)" 200
    expect "$(value pids.max)" 60
}

t06_memory_hog_is_killed_inside_only() {
    local shims; shims=$(pgrep -fc kiste-shim)
    expect "$(inside sh -c 'head -c 150M /dev/zero | tail >/dev/null; echo $?')" 137
    expect "$(status)" running
    expect "$(pgrep -fc kiste-shim)" "$shims"
    contains "$(value memory.events)" 'oom_kill 1'
}

t07_fork_bomb_stops() {
    contains "$(inside sh -c 'for i in $(seq 80); do sleep 9 & done 2>&1 | tail -1')" fork
    [ "$(value pids.current)" -le 60 ]
    expect "$(status)" running
}

t08_limits_change_live() {
    "$kiste" set box >/dev/null --memory 200 --cpulimit 0.5 --cpuunits 50 --pids 250 --cores 1
    expect "$(value memory.max)" $((200 << 20))
    expect "$(value cpu.max)" '50000 100000'
    expect "$(value cpu.weight)" 50
    expect "$(value pids.max)" 250
    expect "$(inside nproc)" 1
    "$kiste" set box >/dev/null --cpulimit 0 --cores 0
    expect "$(value cpu.max)" 'max 100000'
    expect "$(inside nproc)" 2
}

t09_freezes_and_thaws() {
    "$kiste" suspend box
    expect "$(status)" frozen
    expect "$(value cgroup.freeze)" 1
    "$kiste" resume box
    expect "$(inside echo thawed)" thawed
}

# First wall: the mounts.
t10_devices_stay_shut_by_nodev() {
    contains "$(inside sh -c 'mknod /mine b 254 0 2>&1; true')" 'not permitted'
    contains "$(inside sh -c 'head -c1 /disk 2>&1; true')" 'Permission denied'
    contains "$(inside sh -c 'mount -o remount,dev / 2>&1; true')" 'permission denied'
    contains "$(inside sh -c 'head -c1 /disk 2>&1; true')" 'Permission denied'
    inside sh -c 'for d in null zero full random urandom ptmx; do : </dev/$d || exit 1; done; echo >/dev/null'
    expect "$(inside sh -c 'head -c3 /dev/zero | wc -c')" 3
}

# Second wall, alone: a process of the host, with all rights of the host, in the container's cgroup.
t11_devices_stay_shut_by_the_cgroup() {
    head -c1 /dev/vda >/dev/null
    (
        echo 0 >"$(group)/payload/init.scope/cgroup.procs"
        for device in null zero full random urandom ptmx; do : </dev/$device; done
        for device in vda kmsg mem ttyS0; do
            if why=$( (: </dev/$device) 2>&1); then echo "/dev/$device was opened"; exit 1; fi
            contains "$why" 'Operation not permitted'
        done
    )
}

t12_container_outlives_the_engine_and_reloads() {
    local before; before=$(inside stat -c %Y /proc/1)
    systemctl daemon-reload
    systemctl kill -s KILL kiste
    until ! systemctl is-active -q kiste; do :; done
    serve
    expect "$(inside stat -c %Y /proc/1)" "$before"
    expect "$(value memory.max)" $((200 << 20))
}

t13_reboots_from_inside() {
    local before; before=$(inside sh -c 'cut -d" " -f22 /proc/1/stat')
    inside reboot || true
    until after=$(inside sh -c 'cut -d" " -f22 /proc/1/stat' 2>/dev/null) && [ "$after" != "$before" ]; do :; done
    booted
}

t14_shuts_down_and_is_destroyed() {
    "$kiste" shutdown box
    expect "$(status)" stopped
    "$kiste" destroy box
    expect "$(ls /var/lib/kiste/containers)" ''
}

t15_nothing_is_left() {
    systemctl stop kiste
    expect "$(grep -c kiste /proc/self/mountinfo || true)" 0
    expect "$(ip -o link | grep -c kiste || true)" 0
    expect "$(nft list tables)" ''
    expect "$(find /sys/fs/cgroup -name '*kiste*')" ''
    expect "$(pgrep -fc 'kiste|dnsmasq' || true)" 0
}

if [ $# -gt 0 ]; then
    "$1"
    exit
fi
for name in $(compgen -A function t); do
    start=$SECONDS
    why=$(bash "$0" "$name" 2>&1) || {
        echo "not ok $name: $why"
        journalctl --no-pager -o short-precise -n 60 -u kiste >&2
        exit 1
    }
    echo "ok $name ($((SECONDS - start)) s)"
done
echo 'done'
