"""What setup.cfg cannot say: the wheel carries a start-up hook (see ``ryu_pmipls/startup.py``)."""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithHook(build_py):
    """Builds the package, and puts beside it the ``.pth`` line that every start of Python executes."""

    def run(self) -> None:
        super().run()
        Path(self.build_lib, "ryu_pmipls.pth").write_text("import ryu_pmipls.startup\n", encoding="utf-8")


setup(cmdclass={"build_py": BuildWithHook})
