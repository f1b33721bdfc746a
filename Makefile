# SPDX-License-Identifier: GPL-2.0-or-later
#
# What there is to do here. Every target makes what it needs and is not made
# yet, from a fresh clone on; scripts/work knows the steps and their order.
# Dependencies between files are left to meson and ninja in the builds.

MAKEFLAGS += --no-print-directory
WORK = @exec setpriv --pdeathsig TERM scripts/work
TARGETS = all run bench check soak lab lay rebase refresh series check-series

all:

help:
	@echo 'make             build both QEMUs and the images of the lab'
	@echo 'make run         debug the kernel of a KVM guest, with gdb'
	@echo 'make check       run every test; the last line has the counts'
	@echo 'make check-NAME  run one suite of tests:'
	@echo "                 $$(scripts/check --names)"
	@echo 'make bench       measure a guest against its host, and the series against'
	@echo '                 its base; writes build/bench (about 15 minutes)'
	@echo 'make soak        load on guests under KVM, pass after pass (MINUTES=5)'
	@echo 'make lay         lay the series over QEMU, in build/qemu'
	@echo 'make refresh     turn the commits of build/qemu back into the series'
	@echo '                 (TAKE=1: its new files replace those here)'
	@echo 'make rebase      the same after the series has changed here too'
	@echo 'make series      write the series for mail to build/series'
	@echo 'make check-series  build every step of it'
	@echo 'make clean       remove what was built; build/qemu and the roots stay'
	@echo 'make distclean   remove build/ (refused while build/qemu has work of yours)'
	@echo
	@echo './configure --help lists the options: another base, suite or archive.'

$(TARGETS):
	$(WORK) $@

check-%: FORCE
	$(WORK) $@

clean distclean:
	@exec scripts/clean $@

.PHONY: $(TARGETS) help clean distclean FORCE
