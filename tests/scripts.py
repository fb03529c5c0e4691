"""Scripts outside the package, loaded for their tests."""

import importlib.util
import sys


def loaded(path):
    """Return a script as the module of its name."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = sys.modules[path.stem] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
