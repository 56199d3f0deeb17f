"""What setup.cfg cannot say: the wheel carries a start-up hook (see ``ryu_pmipls/startup.py``)."""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

# The package is forgotten again: a program imports it from where its own import path says, such as a checkout.
HOOK = 'import sys, ryu_pmipls.startup; del sys.modules["ryu_pmipls.startup"], sys.modules["ryu_pmipls"]\n'


class BuildWithHook(build_py):
    """Builds the package, and puts beside it the ``.pth`` line that every start of Python executes."""

    def run(self) -> None:
        super().run()
        Path(self.build_lib, "ryu_pmipls.pth").write_text(HOOK, encoding="utf-8")


setup(cmdclass={"build_py": BuildWithHook})
