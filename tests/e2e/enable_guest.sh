#!/bin/sh
# Runs as root in the Debian guest: every scenario of test_enable_guest.py, each framed on the serial console.
PAYLOAD=/run/payload
CONF=/etc/modprobe.d/nestproof.conf
RECORD=/var/lib/nestproof/enable.json
export PYTHONPATH=$PAYLOAD HOME=/root LC_ALL=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin
# Bring-up compiles each module once instead of at every call: the disc cannot keep what Python compiles.
export PYTHONPYCACHEPREFIX=/run/pycache

enable() { python3 -m nestproof enable "$@" 2>&1; }

state() {
    echo "nested=$(cat /sys/module/kvm_amd/parameters/nested 2>/dev/null)" \
        "npt=$(cat /sys/module/kvm_amd/parameters/npt 2>/dev/null)" \
        "node=$(stat -c %U:%G:%a /dev/kvm 2>/dev/null)" \
        "conf=$([ -e $CONF ] && sha256sum <$CONF | cut -c1-12):$(stat -c %u:%g:%a $CONF 2>/dev/null)" \
        "record=$([ -e $RECORD ] && echo yes || echo no) left=$(ls -A /var/lib/nestproof 2>/dev/null | tr '\n' ,)"
}

job() {
    name=$1
    shift
    echo
    echo "JOB-BEGIN $name"
    "$@" </dev/null
    echo "JOB-END $name $? $(state)"
}

until_true() {
    until eval "$1"; do sleep 0.1; done
}

start_vm() {
    python3 -S -c 'import fcntl, os, time
vm = fcntl.ioctl(os.open("/dev/kvm", os.O_RDWR), 0xAE01, 0)
time.sleep(9999)' -name guest=web01,debug-threads=on &
    vm=$!
    until_true "ls -l /proc/$vm/fd | grep -q kvm-vm"
}

stop_vm() {
    kill $vm
    wait $vm 2>/dev/null
}

nested_off() {
    echo 'options kvm_amd nested=0' >/etc/modprobe.d/kvm.conf
    rmmod kvm_amd
    modprobe kvm_amd "$@"
    udevadm settle
    chown root:tty /dev/kvm
    chmod 0606 /dev/kvm
}

killed() {
    # a module that takes its time to load: there is a moment to kill in
    echo 'install kvm_amd touch /run/loading; sleep 3; /sbin/modprobe --ignore-install kvm_amd $CMDLINE_OPTS' >/etc/modprobe.d/slow.conf
    python3 -m nestproof enable --apply >/dev/null 2>&1 &
    running=$!
    until_true '[ -e /run/loading ]'
    kill -9 $running
    wait $running
    rm /etc/modprobe.d/slow.conf /run/loading
    until_true '[ -e /sys/module/kvm_amd/refcnt ]'
    udevadm settle
}

rm $CONF
nested_off
job begin true
job plan enable
start_vm
job plan-with-vm enable
job apply-with-vm enable --apply
job undo-with-vm enable --undo
stop_vm
job apply enable --apply
job apply-again enable --apply
start_vm
job undo-waits enable --undo
stop_vm
job undo enable --undo
job undo-again enable --undo

killed
job killed true
job plan-after-kill enable
job goes-on enable --apply
job undo-after-going-on enable --undo
killed
job undo-after-kill enable --undo

echo '# ours' >$CONF
chmod 0640 $CONF
chown root:adm $CONF
nested_off npt=0
job by-hand true
job apply-by-hand enable --apply
job undo-by-hand enable --undo

echo 'options kvm_amd avic=junk' >/etc/modprobe.d/broken.conf
job broken enable --apply
rm /etc/modprobe.d/broken.conf

echo 'options kvm_amd nested=0 avic=0' >/etc/modprobe.d/zz.conf
job overruled enable --apply
sh -c "$(enable | grep '^    sed')"
job remedied enable --apply
job undo-remedied enable --undo

echo
echo ALL-JOBS-END
