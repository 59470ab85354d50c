"""One file, one event source: its spec and its code.

Importing this package imports every file in it, and each registers itself: adding a source is adding a file here.
"""

from importlib import import_module
from pkgutil import iter_modules

for _module in iter_modules(__path__, f"{__name__}."):
    import_module(_module.name)
