"""What goes into a wheel: the package, and inside it app.py, the pages and the documents.

Everything else about the project is in pyproject.toml; workbench/places.py knows what lies where.
"""

from setuptools import find_namespace_packages, setup
from setuptools.command.build_py import build_py

INSIDE = {"workbench.browser": ".", "workbench.browser.pages": "pages", "workbench.docs": "docs"}


class BuildWithoutItself(build_py):
    """This file lies beside app.py and is no part of it."""

    def find_package_modules(self, package, package_dir):
        """(package, module, file) of what is taken from a folder."""
        found = super().find_package_modules(package, package_dir)
        return [entry for entry in found if entry[1] != "setup"]


setup(
    packages=[*find_namespace_packages(include=["workbench", "workbench.*"]), *INSIDE],
    package_dir=INSIDE,
    package_data={
        "": ["*.json", "*.html", "*.css", "*.js", "*.svg", "*.jpg", "*.webp", "*.webmanifest"],
        "workbench.browser": [".streamlit/config.toml"],
        "workbench.docs": ["*.md"],
        "workbench.evaluation.pictures": ["*.md"],
    },
    exclude_package_data={"workbench.browser": ["*.json", "*.html", "*.css", "*.js", "*.jpg"]},
    cmdclass={"build_py": BuildWithoutItself},
)
