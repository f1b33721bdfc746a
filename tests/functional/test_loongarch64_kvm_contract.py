#!/usr/bin/env python3
#
# SPDX-License-Identifier: GPL-2.0-or-later
"""The contract between KVM and a debugger, asked of /dev/kvm by a C program.

loongarch64-kvm/contract.c says what is asked; no QEMU runs in the host here.
"""

from __future__ import annotations

import re

from qemu_test.kvmhost import KvmHostTest


class KvmContract(KvmHostTest):
    """The C program and what it reports."""

    host_smp = 1

    def test_contract(self) -> None:
        program = self.host.put(self.compile("loongarch64-kvm/contract.c"))
        done = self.host.run([program], timeout=120)
        self.log.info("%s", done.stdout + done.stderr)
        self.assertEqual(re.findall(r"(?m)^(?:not ok|Bail out).*", done.stdout), [])
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        planned = int(re.findall(r"(?m)^1\.\.(\d+)$", done.stdout)[0])
        self.assertEqual(len(re.findall(r"(?m)^ok ", done.stdout)), planned)


if __name__ == '__main__':
    KvmContract.main()
