#!/bin/sh
# The first start of an emulated machine, in the place of systemd: sets its packages up, then turns it off.
export PATH=/usr/sbin:/usr/bin LC_ALL=C HOME=/root DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true

off() {
    sync
    systemctl poweroff -ff
}
failed() {
    echo "lookdown: could not be set up: $1"
    off
}

mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev 2>/dev/null
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /tmp

# Users first: files of other packages are given to them.
dpkg --force-unsafe-io --force-depends --configure base-passwd || failed "its users"
dpkg --force-unsafe-io --force-confold --configure --pending || failed "its packages"
depmod "$(uname -r)" || failed "the kernel's modules"

echo lookdown-machine >/etc/hostname
echo "127.0.0.1 localhost lookdown-machine" >/etc/hosts
echo "/dev/nvme0n1 / ext4 defaults,noatime 0 1" >/etc/fstab
printf '%s\n' virtio_pci virtio_net >/etc/modules-load.d/virtio.conf
printf '%s\n' '[Match]' 'Type=ether' '[Network]' DHCP=ipv4 '[DHCPv4]' ClientIdentifier=mac \
    >/etc/systemd/network/20-wired.network
chmod 700 /root/.ssh
chmod 600 /root/.ssh/authorized_keys /etc/ssh/ssh_host_*_key
chown -R 0:0 /root /etc/ssh
printf '%s\n' 'PasswordAuthentication no' 'PermitRootLogin prohibit-password' 'UseDNS no' \
    >/etc/ssh/sshd_config.d/lookdown.conf
systemctl enable systemd-networkd ssh || failed "its services"
systemctl mask apt-daily.timer systemd-networkd-wait-online.service >/dev/null 2>&1

rm "$0"
echo "lookdown: set up"
off
