"""Only what pyproject.toml cannot say: the version has one place, and the wheel holds a native library but no extension module (so one wheel serves every Python 3)."""
import pathlib

from setuptools import setup
from setuptools.dist import Distribution

try:
    from setuptools.command.bdist_wheel import bdist_wheel
except ImportError:  # setuptools before 70.1
    from wheel.bdist_wheel import bdist_wheel

here = pathlib.Path(__file__).resolve().parent
version_file = next(p for p in (here / "VERSION", here.parents[1] / "VERSION") if p.is_file())


class NativeDistribution(Distribution):
    def has_ext_modules(self):
        return True


class native_wheel(bdist_wheel):
    def get_tag(self):
        return ("py3", "none", super().get_tag()[2])


setup(version=version_file.read_text().strip(), distclass=NativeDistribution, cmdclass={"bdist_wheel": native_wheel})
